"""Quotes of IQFeed, level 1.

Source: the fields of updates and what "Message Contents" says: iqfeed.net/dev/api/docs/Level1UpdateSummaryMessage.cfm;
the commands and messages of protocol 6.2 as in github.com/akapur/pyiqfeed (conn.py, QuoteConn) and
github.com/mathpaquette/IQFeed.CSharpApiClient; which update fields a 6.2 client takes, as in recordings of one.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from math import isfinite, nan
from operator import itemgetter
from zoneinfo import ZoneInfo

from adapters.iqfeed.answers import Answer, Answers, raise_refusals
from adapters.iqfeed.connection import PROTOCOL_HANDSHAKE, Connection, Refused
from adapters.iqfeed.iqfeed_settings import NAME, IqfeedSettings
from adapters.iqfeed.lines import Strange, wire_symbol
from adapters.tick_tap import TickTap, microseconds
from trading.errors import SourceUnavailable
from trading.market.quotes import Quote, QuoteKind

NUMBERS = ("Bid", "Ask", "Bid Size", "Ask Size", "Most Recent Trade", "Most Recent Trade Size")
DELAY = "Delay"
# What more is needed to tell trades. Times are those of New York.
CONTENTS, TRADE_DATE, TRADE_TIME = "Message Contents", "Most Recent Trade Date", "Most Recent Trade Time"
TRADE_FIELDS = (CONTENTS, TRADE_DATE, TRADE_TIME)
# Of "Message Contents": a trade that counts as last, one of extended hours, another; and a bid or an ask.
TRADES, BESTS = frozenset("CEO"), frozenset("ba")
CURRENT_FIELDS = "S,CURRENT UPDATE FIELDNAMES,"
HANDSHAKE = (
    *PROTOCOL_HANDSHAKE,
    (f"S,SELECT UPDATE FIELDS,{','.join(('Symbol', *NUMBERS, DELAY))}", CURRENT_FIELDS),
)
TICK_HANDSHAKE = (
    *PROTOCOL_HANDSHAKE,
    (f"S,SELECT UPDATE FIELDS,{','.join(('Symbol', *NUMBERS, DELAY, *TRADE_FIELDS))}", CURRENT_FIELDS),
)
NEW_YORK = ZoneInfo("America/New_York")
NO_SERVERS = "IQConnect has lost its connection to DTN"
# Fundamental, regional and news messages, the time, and what is said of the account: nothing to quotes.
OTHERS = frozenset({"F", "R", "N", "T"})


class _Line:
    """What was heard of one symbol, written at every update."""

    __slots__ = ("at", "error", "kind", "numbers", "symbol")

    def __init__(self, symbol: str, kind: QuoteKind) -> None:
        self.symbol, self.kind, self.error = symbol, kind, ""
        self.at: datetime | None = None
        self.numbers: Sequence[float | None] = (None,) * len(NUMBERS)


class IqfeedQuotes:
    """Streaming quotes of some symbols.

    What is lost is connected anew and all symbols are watched again; until a symbol is heard of, its quote keeps the
    last numbers and says why. It belongs to the event loop in which it was first used.

    Args:
        now: for when something was heard; update messages carry the time of a trade only.
        tap: gets every trade, with its time, and every change of the best prices, with that of receipt. A summary,
            which comes when a symbol is watched, is no trade. Corrections of trades are left.
    """

    name = NAME

    def __init__(self, *, settings: IqfeedSettings, now: Callable[[], datetime], tap: TickTap | None = None) -> None:
        self._settings, self._now, self._tap = settings, now, tap
        self._lines: dict[str, _Line] = {}
        self._answers = Answers()
        self._strange = Strange(f"{NAME} level 1")
        self._connection = Connection(
            settings,
            settings.level1_port,
            handshake=HANDSHAKE if tap is None else TICK_HANDSHAKE,
            heard=self._heard,
            ready=self._watch_all,
            lost=self._lost,
        )
        self._kind = QuoteKind.LIVE
        self._delay_at: int | None = None
        self._trade_at: dict[str, int] = {}
        self._pick: Callable[[Sequence[str]], tuple[str, ...]] | None = None
        self._had_servers = True

    @property
    def strange_lines(self) -> int:
        """Return how many lines were not understood, and left out."""
        return self._strange.count + self._connection.lines.too_long

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """Have quotes of these symbols too; those that are refused are not subscribed, the others are.

        Raises:
            InvalidValue: a symbol cannot be spelled so; nothing was subscribed.
            UnknownSymbol: IQFeed does not know one.
            SourceUnavailable: IQConnect cannot be asked, or watches no more.
        """
        new = [wire_symbol(symbol) for symbol in dict.fromkeys(symbols) if symbol not in self._lines]
        if not new:
            return
        await self._connection.connected()
        if not self._had_servers:
            raise SourceUnavailable(NAME, NO_SERVERS)
        self._answers.expect(new)
        self._lines.update((symbol, _Line(symbol, self._kind)) for symbol in new)
        self._connection.send([f"w{symbol}" for symbol in new])
        answers = await self._answers.gather(new, self._settings.answer_seconds)
        await self.unsubscribe([symbol for symbol, answer in answers.items() if answer is not Answer.WATCHED])
        raise_refusals(answers)

    async def unsubscribe(self, symbols: Sequence[str]) -> None:
        """Have no more of them."""
        gone = [symbol for symbol in symbols if self._lines.pop(symbol, None) is not None]
        if gone:
            self._connection.send([f"r{symbol}" for symbol in gone])

    def quotes(self) -> Mapping[str, Quote]:
        """Return what was last heard of every symbol subscribed."""
        return {line.symbol: _quote(line) for line in tuple(self._lines.values())}

    def stale(self, after: timedelta) -> tuple[str, ...]:
        """Return the symbols of which nothing was heard for that long, or ever."""
        oldest = self._now() - after
        return tuple(sorted(line.symbol for line in self._lines.values() if line.at is None or line.at < oldest))

    async def renew(self, symbols: Sequence[str]) -> None:
        """Watch them anew; what was heard of them stays.

        Raises:
            SourceUnavailable: IQConnect cannot be asked; they are watched again once it can be.
        """
        known = [symbol for symbol in symbols if symbol in self._lines]
        if known:
            await self._connection.connected()
            self._connection.send([f"{command}{symbol}" for symbol in known for command in "rw"])

    async def close(self) -> None:
        """End the stream."""
        await self._connection.close()

    def _watch_all(self) -> None:
        self._connection.send([f"w{symbol}" for symbol in self._lines])

    def _lost(self, why: str) -> None:
        self._pick = None
        self._had_servers = True
        self._answers.settle_all(Answer.LOST)
        self._say(why)

    def _say(self, why: str) -> None:
        for line in self._lines.values():
            line.error = why

    def _heard(self, lines: Sequence[str]) -> None:
        now = self._now()
        for text in lines:
            fields = text.split(",")
            kind = fields[0]
            if kind in ("Q", "P"):
                self._update(text, fields, now)
            elif kind == "S":
                self._system(fields)
            elif kind == "n" and len(fields) > 1:
                self._refuse(fields[1], Answer.UNKNOWN)
            elif kind not in OTHERS:
                self._strange.add(text, "an error" if kind == "E" else "no message of level 1")

    def _update(self, text: str, fields: list[str], now: datetime) -> None:
        line = self._lines.get(fields[1]) if len(fields) > 1 else None
        if line is None or self._pick is None:
            if len(fields) <= len(NUMBERS):
                self._strange.add(text, "too short")
            return  # of a symbol that was unsubscribed a moment ago
        try:
            numbers = [float(number) if number else None for number in self._pick(fields)]
            delay = fields[self._delay_at] if self._delay_at is not None else ""
            contents = fields[self._trade_at[CONTENTS]] if self._tap is not None else ""
        except (ValueError, IndexError):
            self._strange.add(text, "its numbers are none, or too few")
            return
        if not isfinite(sum(filter(None, numbers))):
            self._strange.add(text, "its numbers are none")
            return
        if line.at is None:
            self._answers.settle(line.symbol, Answer.WATCHED)
        line.numbers, line.at, line.error = numbers, now, ""
        line.kind = QuoteKind.DELAYED if delay not in ("", "0") else self._kind
        if self._tap is not None:
            self._pass_on(self._tap, line, frozenset(contents), fields, now)

    def _pass_on(self, tap: TickTap, line: _Line, told: frozenset[str], fields: list[str], now: datetime) -> None:
        bid, ask, bid_size, ask_size, px, size = line.numbers
        if fields[0] == "P" or told & BESTS:
            tap.quote(line.symbol, bid or None, ask or None, bid_size, ask_size, None, now)
        if fields[0] == "Q" and told & TRADES and px:
            try:
                at = trade_time(*(fields[self._trade_at[name]] for name in (TRADE_DATE, TRADE_TIME)))
            except (ValueError, IndexError):
                self._strange.add(",".join(fields), "its trade has no time")
                at = None
            tap.trade(line.symbol, px, nan if size is None else size, at, now)

    def _system(self, fields: list[str]) -> None:
        match fields[1:]:
            case ["CURRENT UPDATE FIELDNAMES", *names]:
                self._choose(names)
            case ["SERVER DISCONNECTED" | "SERVER RECONNECT FAILED", *_]:
                self._had_servers = False
                self._say(NO_SERVERS)
            case ["SERVER CONNECTED", *_]:
                if not self._had_servers:
                    self._connection.send([f"f{symbol}" for symbol in self._lines])  # nothing else brings them up
                self._had_servers = True
            case ["SYMBOL LIMIT REACHED", symbol, *_]:
                self._refuse(symbol, Answer.OVER_LIMIT)
            case ["CUST", service, *_]:
                self._kind = QuoteKind.LIVE if service == "real_time" else QuoteKind.DELAYED

    def _refuse(self, symbol: str, answer: Answer) -> None:
        if (line := self._lines.get(symbol)) is not None:
            line.error = f"{symbol} {answer.value}"
        self._answers.settle(symbol, answer)

    def _choose(self, names: list[str]) -> None:
        """Read updates by the order of fields that IQConnect says, which need not be the one asked for.

        Raises:
            Refused: a field is missing.
        """
        needed = NUMBERS if self._tap is None else (*NUMBERS, *TRADE_FIELDS)
        if missing := [name for name in needed if name not in names]:
            raise Refused(f"it does not send the field {missing[0]!r}")
        self._trade_at = {name: names.index(name) + 1 for name in TRADE_FIELDS if name in names}
        places = [names.index(name) + 1 for name in NUMBERS]
        self._pick = itemgetter(*places)
        self._delay_at = names.index(DELAY) + 1 if DELAY in names else None


def trade_time(day: str, time: str) -> int:
    """Return in microseconds since the epoch what is written as 11/20/2026 and 09:30:00.123456 in New York.

    Raises:
        ValueError: it is no such time.
    """
    minutes, seconds, fraction = int(time[3:5]), int(time[6:8]), time[9:15]
    return _hour_us(day, time[:2]) + (minutes * 60 + seconds) * 1_000_000 + int(fraction.ljust(6, "0"))


@lru_cache(maxsize=64)
def _hour_us(day: str, hour: str) -> int:
    month, date, year = (int(part) for part in day.split("/"))
    return microseconds(datetime(year, month, date, int(hour), tzinfo=NEW_YORK))


def _quote(line: _Line) -> Quote:
    bid, ask, bid_size, ask_size, last, last_size = line.numbers
    return Quote(
        symbol=line.symbol,
        bid=bid,
        ask=ask,
        last=last,
        bid_size=bid_size,
        ask_size=ask_size,
        last_size=last_size,
        kind=line.kind,
        at=line.at,
        error=line.error,
    )
