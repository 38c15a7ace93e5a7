"""Requests for bars: history, history that stays up to date, 5-second bars, and how far history goes back."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ib_gateway.client import Client
from ib_gateway.contracts import Contract, Listing
from ib_gateway.market import Market
from ib_gateway.market_contract_requests import find_listing
from ib_gateway.market_history import (
    BAR_SECONDS,
    DAY,
    WHAT_TO_SHOW,
    BadBarRequest,
    Bar,
    BarRequest,
    each_bar,
    head,
    history,
    parsed_duration,
    parsed_end,
    sessions,
)
from ib_gateway.market_hours import NEW_YORK, is_open
from ib_gateway.market_layout import ZONE, read_contract, read_legs
from ib_gateway.market_streams import Stream
from ib_gateway.wire import Field, Reader

HISTORY, FIVE_SECONDS = "bars", "real_time_bars"
_SMALL_BARS = 30
_UPDATE_SECONDS = 5.0
_TURN_SECONDS = 0.005
_NO_DATA = "Historical Market Data Service error message:HMDS query returned no data"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A request for history as it came."""

    req_id: int
    query: Contract
    end: str
    bar_size: str
    duration: str
    regular_only: bool
    what: str
    epoch_seconds: bool
    keep_up_to_date: bool

    def fingerprint(self) -> str:
        """All that makes two requests identical."""
        return "|".join(str(field) for field in (self.query, self.end, self.bar_size, self.duration, self.what))


def _read(reader: Reader) -> _Asked:
    req_id, query = reader.integer(), read_contract(reader)
    reader.boolean()
    end, bar_size, duration, regular_only, what = (reader.text() for _ in range(5))
    epoch_seconds = reader.integer(1) == 2
    if query.sec_type == "BAG":
        read_legs(reader)
    return _Asked(
        req_id=req_id,
        query=query,
        end=end,
        bar_size=bar_size,
        duration=duration,
        regular_only=regular_only == "1",
        what=what.upper(),
        epoch_seconds=epoch_seconds,
        keep_up_to_date=reader.boolean(),
    )


async def historical_bars(client: Client, reader: Reader) -> None:
    """Answer 20: all bars in one message (17), and then, if asked to, the current bar whenever it changes (90)."""
    asked = _read(reader)
    now = client.gateway.now()
    listing = await find_listing(client, asked.req_id, asked.query, now)
    if listing is None:
        return
    try:
        request = _checked(asked, now)
        broken = _pace(client, asked, request)
        if broken is not None:
            raise BadBarRequest(162, broken)
        if asked.what == "SCHEDULE":
            await _send_schedule(client, asked.req_id, listing, request)
            return
        bars = await _unhurried(each_bar(client.gateway.market, listing.contract.con_id, request))
        if not bars:
            raise BadBarRequest(162, _NO_DATA)
    except BadBarRequest as exc:
        await client.error(asked.req_id, exc.code, str(exc))
        return
    begins = bars[0].opens_at
    fields = [field for bar in bars for field in _bar_fields(bar, asked, request)]
    await client.send(17, asked.req_id, _moment(begins), _moment(request.end), len(bars), *fields)
    if asked.keep_up_to_date:
        updates = _Updates(client, asked, listing, request, bars[-1])
        Stream(client, _UPDATE_SECONDS, updates.push).start(HISTORY, asked.req_id)


async def _unhurried(bars: Iterator[Bar]) -> list[Bar]:
    """Make bars in turns with the gateway's other work: thirty years of days take a second."""
    made: list[Bar] = []
    turn_ends = time.perf_counter() + _TURN_SECONDS
    for bar in bars:
        made.append(bar)
        if time.perf_counter() > turn_ends:
            await asyncio.sleep(0)
            turn_ends = time.perf_counter() + _TURN_SECONDS
    return made


def _checked(asked: _Asked, now: datetime) -> BarRequest:
    if asked.bar_size not in BAR_SECONDS:
        raise BadBarRequest(
            321,
            f"Error validating request.-'bP' : cause - Historical data bar size setting is invalid: {asked.bar_size}",
        )
    if asked.end and (asked.keep_up_to_date or asked.what == "ADJUSTED_LAST"):
        which = "keepUpToDate" if asked.keep_up_to_date else "adjusted last"
        raise BadBarRequest(321, f"Error validating request.-'bP' : cause - End Date not supported with {which}")
    return BarRequest(
        end=parsed_end(asked.end, now),
        duration=parsed_duration(asked.duration),
        bar_seconds=BAR_SECONDS[asked.bar_size],
        what=asked.what,
        regular_only=asked.regular_only,
    )


def _pace(client: Client, asked: _Asked, request: BarRequest) -> str | None:
    if request.bar_seconds > _SMALL_BARS:
        return None
    return client.gateway.limits.take_history(asked.fingerprint(), 2 if asked.what == "BID_ASK" else 1)


async def _send_schedule(client: Client, req_id: int, listing: Listing, request: BarRequest) -> None:
    days = sessions(listing, request)
    if not days:
        raise BadBarRequest(162, _NO_DATA)
    rows = [field for day, opens, closes in days for field in (_local(opens), _local(closes), f"{day:%Y%m%d}")]
    await client.send(106, req_id, _local(days[0][1]), _local(days[-1][2]), ZONE, len(days), *rows)


def _bar_fields(bar: Bar, asked: _Asked, request: BarRequest) -> tuple[Field, ...]:
    when = _when(bar, asked, request)
    return (when, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.average, bar.count)


def _when(bar: Bar, asked: _Asked, request: BarRequest) -> str:
    if request.bar_seconds >= DAY:
        return f"{bar.day:%Y%m%d}"
    return str(int(bar.opens_at.timestamp())) if asked.epoch_seconds else _moment(bar.opens_at)


def _moment(at: datetime) -> str:
    return f"{at.astimezone(NEW_YORK):%Y%m%d %H:%M:%S} {ZONE}"


def _local(at: datetime) -> str:
    return f"{at.astimezone(NEW_YORK):%Y%m%d-%H:%M:%S}"


class _Updates:
    """Keeps a history up to date: the unfinished bar, and a new one when its time has come."""

    def __init__(self, client: Client, asked: _Asked, listing: Listing, request: BarRequest, newest: Bar) -> None:
        self._client = client
        self._asked = asked
        self._listing = listing
        self._request = request
        self._sent = newest

    def push(self) -> None:
        """Send the bars that are new or have changed; the last bar before a new one once more, as it ended."""
        for bar in self._recent():
            if bar.opens_at >= self._sent.opens_at and bar != self._sent:
                self._sent = bar
                when = _when(bar, self._asked, self._request)
                prices = (bar.open, bar.close, bar.high, bar.low)
                self._client.post(90, self._asked.req_id, bar.count, when, *prices, bar.average, bar.volume)

    def _recent(self) -> list[Bar]:
        """The last two bars; two bar lengths of trading time always hold the whole of the current one."""
        gateway, size = self._client.gateway, self._request.bar_seconds
        now = gateway.now()
        duration = (2 * size, "S") if size < DAY else self._request.duration
        request = replace(self._request, end=now, duration=duration)
        bars = history(gateway.market, self._listing.contract.con_id, request)[-2:]
        return [*bars[:-1], with_last_price(gateway.market, self._listing, bars[-1], now)] if bars else []


def with_last_price(market: Market, listing: Listing, bar: Bar, now: datetime) -> Bar:
    """Return an unfinished bar that ends at the price of now, which a test may have set."""
    if bar.volume < 0 and listing.contract.sec_type != "CASH":
        return bar
    last = market.quote(listing.contract.con_id, now).last
    return replace(bar, close=last, high=max(bar.high, last), low=min(bar.low, last))


async def cancel_history(client: Client, reader: Reader) -> None:
    """Take 25: stop keeping a history up to date; 366 if none is."""
    reader.integer()
    req_id = reader.integer()
    if not client.unsubscribe(HISTORY, req_id):
        await client.error(req_id, 366, f"No historical data query found for ticker id:{req_id}")


async def head_timestamp(client: Client, reader: Reader) -> None:
    """Answer 87: when history begins (88), in UTC, or in unix seconds for format 2."""
    req_id, query = reader.integer(), read_contract(reader)
    reader.boolean()
    reader.boolean()
    what, epoch_seconds = reader.text().upper(), reader.integer(1) == 2
    listing = await find_listing(client, req_id, query, client.gateway.now())
    if listing is None:
        return
    if what not in WHAT_TO_SHOW:
        await client.error(req_id, 321, f"Error validating request.-'bP' : cause - What to show '{what}' is unknown")
        return
    begins = head(client.gateway.market, listing.contract.con_id)
    text = str(int(begins.timestamp())) if epoch_seconds else f"{begins.astimezone(UTC):%Y%m%d-%H:%M:%S}"
    await client.send(88, req_id, text)


async def cancel_head_timestamp(_client: Client, reader: Reader) -> None:
    """Take 90: the answer was sent at once, so nothing is left to end."""
    reader.integer()


async def five_second_bars(client: Client, reader: Reader) -> None:
    """Answer 50: a bar (50) at every fifth second while the contract trades."""
    reader.integer()
    req_id, query = reader.integer(), read_contract(reader)
    size, what, regular_only = reader.integer(5), reader.text().upper(), reader.boolean()
    listing = await find_listing(client, req_id, query, client.gateway.now())
    if listing is None:
        return
    if size != 5 or what not in ("TRADES", "MIDPOINT", "BID", "ASK"):
        await client.error(
            req_id, 420, f"Invalid Real-time Query: {size} seconds of {what or 'nothing'} are not offered"
        )
        return
    feed = _FiveSeconds(client, req_id, listing, what, regular_only=regular_only)
    Stream(client, 0.5, feed.push).start(FIVE_SECONDS, req_id)


class _FiveSeconds:
    """Sends each bar of five seconds once it is over."""

    def __init__(self, client: Client, req_id: int, listing: Listing, what: str, *, regular_only: bool) -> None:
        self._client = client
        self._req_id = req_id
        self._listing = listing
        self._what = what
        self._regular_only = regular_only
        self._sent_until = _whole_five(client.gateway.now())

    def push(self) -> None:
        """Send the bars that are over and were not sent; after a long pause only the last minute of them."""
        over = _whole_five(self._client.gateway.now())
        self._sent_until = max(self._sent_until, over - timedelta(minutes=1))
        while self._sent_until < over:
            self._sent_until += timedelta(seconds=5)
            self._send(self._sent_until)

    def _send(self, end: datetime) -> None:
        gateway, kind = self._client.gateway, self._listing.contract.sec_type
        begins = end - timedelta(seconds=5)
        con_id = self._listing.contract.con_id
        if is_open(kind, begins, extended=not self._regular_only):
            request = BarRequest(
                end=end, duration=(5, "S"), bar_seconds=5, what=self._what, regular_only=self._regular_only
            )
            bar = with_last_price(gateway.market, self._listing, history(gateway.market, con_id, request)[-1], end)
            prices: tuple[Field, ...] = (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.average, bar.count)
        elif gateway.settings.session == "always_open":
            last = gateway.market.quote(con_id, end).last
            prices = (last, last, last, last, 0, last, 0)
        else:
            return
        self._client.post(50, 3, self._req_id, int(begins.timestamp()), *prices)


def _whole_five(at: datetime) -> datetime:
    seconds = int(at.timestamp())
    return datetime.fromtimestamp(seconds - seconds % 5, UTC)


async def cancel_five_second_bars(client: Client, reader: Reader) -> None:
    """Take 51: end 5-second bars."""
    reader.integer()
    req_id = reader.integer()
    if not client.unsubscribe(FIVE_SECONDS, req_id):
        await client.error(req_id, 300, f"Can't find EId with tickerId:{req_id}")
