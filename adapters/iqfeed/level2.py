"""Order books of IQFeed, level 2.

Futures come by price level (WPL: messages 7 summary, 8 update, 9 delete), stocks by who quotes what (WOR: 6 summary,
3 add, 4 update, 5 delete), which is summed up by price here.

Source: message layouts as in github.com/mathpaquette/IQFeed.CSharpApiClient, Streaming/Level2/Messages; which symbols
have which, `S,CLEAR DEPTH` and the missing order id of stocks as in github.com/rburkholder/trade-frame,
lib/TFIQFeed/Level2; `WPL,SYMBOL,LEVELS` as in github.com/mpdroog/docker-iqfeed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from adapters.iqfeed.answers import Answer, Answers, raise_refusals
from adapters.iqfeed.connection import Connection
from adapters.iqfeed.iqfeed_settings import NAME, IqfeedSettings
from adapters.iqfeed.level1 import NO_SERVERS
from adapters.iqfeed.lines import Strange, wire_symbol
from trading.errors import InvalidValue, SourceUnavailable
from trading.market.depth import BookSide, OrderBook, PriceLevel

LEVELS = 10
SIDES: Mapping[str, BookSide] = {"B": BookSide.BID, "A": BookSide.ASK}


class DepthFeed(StrEnum):
    """How order books come: the word of the command without its first letter."""

    PRICE_LEVELS = "PL"  # futures
    ORDERS = "OR"  # stocks, by market maker; futures whose exchange shows each order


class _Book:
    """An order book as it is built up."""

    def __init__(self, symbol: str) -> None:
        self.shown = OrderBook(symbol=symbol)
        self.is_broken = False
        self._orders: dict[BookSide, dict[str, PriceLevel]] = {side: {} for side in BookSide}

    def clear(self, side: BookSide, at: datetime) -> None:
        self._orders[side].clear()
        self.shown = self.shown.without_side(side, at)

    def set_level(self, side: BookSide, level: PriceLevel, at: datetime) -> None:
        self.shown = self.shown.with_level(side, level, at)

    def remove_level(self, side: BookSide, price: float, at: datetime) -> None:
        self.shown = self.shown.without_level(side, price, at)

    def set_order(self, side: BookSide, key: str, order: PriceLevel | None, at: datetime) -> None:
        """Have an order as it is now; None when it is gone."""
        orders = self._orders[side]
        before = orders.pop(key, None)
        if order is not None:
            orders[key] = order
        for price in {each.price for each in (before, order) if each is not None}:
            sizes = [each.size for each in orders.values() if each.price == price]
            if sizes:
                self.set_level(side, PriceLevel(price=price, size=sum(sizes), orders=len(sizes)), at)
            else:
                self.remove_level(side, price, at)

    def give_up(self, why: str) -> None:
        """Be empty until it is subscribed anew: a change of it is missing."""
        self.shown, self.is_broken = OrderBook(symbol=self.shown.symbol, error=why), True

    def say(self, why: str) -> None:
        self.shown = replace(self.shown, error=why)


class IqfeedDepth:
    """Order books of some symbols.

    After a lost connection every book begins empty. A book of which a line cannot be read is empty, and says so, until
    it is subscribed anew. It belongs to the event loop in which it was first used.

    Args:
        feed: how books come; IQConnect answers that there is none when it does not fit the symbol.
        levels: of each side, by price level.
    """

    name = NAME

    def __init__(
        self,
        *,
        settings: IqfeedSettings,
        now: Callable[[], datetime],
        feed: DepthFeed = DepthFeed.PRICE_LEVELS,
        levels: int = LEVELS,
    ) -> None:
        if levels < 1:
            raise InvalidValue("levels", levels, ">= 1")
        self._settings, self._now, self._feed, self._levels = settings, now, feed, levels
        self._books: dict[str, _Book] = {}
        self._answers = Answers()
        self._strange = Strange(f"{NAME} level 2")
        self._connection = Connection(
            settings, settings.level2_port, heard=self._heard, ready=self._watch_all, lost=self._lost
        )
        self._has_servers = True
        self._too_long = 0

    @property
    def strange_lines(self) -> int:
        """Return how many lines were not understood, and left out."""
        return self._strange.count + self._connection.lines.too_long

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """Have the books of these symbols too; those that are refused are not subscribed, the others are.

        A book in which nothing stands is answered by nothing; such a symbol is subscribed.

        Raises:
            InvalidValue: a symbol cannot be spelled so; nothing was subscribed.
            UnknownSymbol: IQFeed does not know one.
            SourceUnavailable: IQConnect cannot be asked, watches no more, or has no such book.
        """
        new = [wire_symbol(symbol) for symbol in dict.fromkeys(symbols) if symbol not in self._books]
        if not new:
            return
        await self._connection.connected()
        if not self._has_servers:
            raise SourceUnavailable(NAME, NO_SERVERS)
        self._answers.expect(new)
        self._books.update((symbol, _Book(symbol)) for symbol in new)
        self._connection.send([self._watch(symbol) for symbol in new])
        answers = await self._answers.gather(new, self._settings.answer_seconds)
        refused = {s: answer for s, answer in answers.items() if answer not in {Answer.WATCHED, Answer.NONE}}
        await self.unsubscribe(list(refused))
        raise_refusals(refused)

    async def unsubscribe(self, symbols: Sequence[str]) -> None:
        """Have no more of them."""
        gone = [symbol for symbol in symbols if self._books.pop(symbol, None) is not None]
        self._connection.send([f"R{self._feed},{symbol}" for symbol in gone])

    def books(self) -> Mapping[str, OrderBook]:
        """Return the book of every symbol subscribed."""
        return {symbol: book.shown for symbol, book in tuple(self._books.items())}

    async def close(self) -> None:
        """End the stream."""
        await self._connection.close()

    def _watch(self, symbol: str) -> str:
        return f"W{self._feed},{symbol}" + (f",{self._levels}" if self._feed is DepthFeed.PRICE_LEVELS else "")

    def _watch_all(self) -> None:
        self._connection.send([self._watch(symbol) for symbol in self._books])

    def _lost(self, why: str) -> None:
        self._has_servers = True
        self._answers.settle_all(Answer.LOST)
        self._too_long = 0
        self._books = {symbol: _Book(symbol) for symbol in self._books}
        self._say(why)

    def _say(self, why: str) -> None:
        for book in self._books.values():
            book.say(why)

    def _heard(self, lines: Sequence[str]) -> None:
        now = self._now()
        if (too_long := self._connection.lines.too_long) != self._too_long:
            self._too_long = too_long
            self._give_up_books_of([])
        for text in lines:
            fields = text.split(",")
            try:
                known = self._message(fields, now)
            except (ValueError, IndexError, KeyError, InvalidValue) as exc:
                self._strange.add(text, f"it cannot be read ({exc})")
                self._give_up_books_of(fields)
                continue
            if not known:
                self._strange.add(text, "an error" if fields[0] == "E" else "no message of level 2")

    def _give_up_books_of(self, fields: list[str]) -> None:
        """Give up the books that a line names, or all where it names none: who knows what it said."""
        for book in [self._books[name] for name in fields[1:3] if name in self._books] or self._books.values():
            book.give_up("a change of it could not be read")

    def _message(self, fields: list[str], now: datetime) -> bool:
        """Act on a message, and tell whether it is one."""
        match fields[0]:
            case "7" | "8" | "9" | "3" | "4" | "5" | "6":
                self._change(fields, now)
            case "S":
                self._system(fields, now)
            case "n":
                self._refuse(fields[1], Answer.UNKNOWN)
            case "q":
                self._refuse(fields[1], Answer.NO_DEPTH)
            case kind:
                return kind in {"T", "O"}
        return True

    def _change(self, fields: list[str], now: datetime) -> None:
        kind, symbol = fields[:2]
        book = self._books.get(symbol)
        if book is None or book.is_broken:
            return  # it was unsubscribed a moment ago, or is to be
        match kind:
            case "7" | "8" if float(fields[4]):
                level = PriceLevel(price=float(fields[3]), size=float(fields[4]), orders=int(fields[5]))
                book.set_level(SIDES[fields[2]], level, now)
            case "7" | "8" | "9":
                book.remove_level(SIDES[fields[2]], float(fields[3]), now)
            case "3" | "4" | "6" if float(fields[6]):
                order = PriceLevel(price=float(fields[5]), size=float(fields[6]))
                book.set_order(SIDES[fields[4]], fields[2] or fields[3], order, now)
            case _:
                book.set_order(SIDES[fields[4]], fields[2] or fields[3], None, now)
        self._answers.settle(symbol, Answer.WATCHED)

    def _system(self, fields: list[str], now: datetime) -> None:
        match fields[1:]:
            case ["CLEAR DEPTH", symbol, side, *_] if symbol in self._books:
                self._books[symbol].clear(SIDES[side], now)
            case ["SERVER DISCONNECTED" | "SERVER RECONNECT FAILED", *_]:
                self._has_servers = False
                self._say(NO_SERVERS)
            case ["SERVER CONNECTED", *_]:
                if not self._has_servers:  # what changed meanwhile was not told
                    self._books = {symbol: _Book(symbol) for symbol in self._books}
                    self._watch_all()
                self._has_servers = True
            case ["SYMBOL LIMIT REACHED", symbol, *_]:
                self._refuse(symbol, Answer.OVER_LIMIT)

    def _refuse(self, symbol: str, answer: Answer) -> None:
        if (book := self._books.get(symbol)) is not None:
            book.say(f"{symbol} {answer.value}")
        self._answers.settle(symbol, answer)
