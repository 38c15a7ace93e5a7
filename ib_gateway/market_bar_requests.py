"""Requests for history: bars, bars that stay up to date, and how far history goes back."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ib_gateway.client import Client
from ib_gateway.contracts import Contract, Listing
from ib_gateway.market_bar_terms import (
    BAR_SECONDS,
    DAY,
    WHAT_TO_SHOW,
    BadBarRequest,
    Bar,
    BarRequest,
    invalid,
    parsed_duration,
    parsed_end,
)
from ib_gateway.market_contract_requests import find_listing
from ib_gateway.market_five_seconds import with_last_price
from ib_gateway.market_history import each_bar, head, history, sessions
from ib_gateway.market_hours import NEW_YORK
from ib_gateway.market_layout import ZONE, read_contract, read_legs
from ib_gateway.market_streams import Stream
from ib_gateway.wire import Field, Reader

KIND = "bars"
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
        Stream(client, _UPDATE_SECONDS, updates.push).start(KIND, asked.req_id)


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
        raise invalid(f"Historical data bar size setting is invalid: {asked.bar_size}")
    if asked.end and (asked.keep_up_to_date or asked.what == "ADJUSTED_LAST"):
        raise invalid(f"End Date not supported with {'keepUpToDate' if asked.keep_up_to_date else 'adjusted last'}")
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


async def cancel_history(client: Client, reader: Reader) -> None:
    """Take 25: stop keeping a history up to date; 366 if none is."""
    reader.integer()
    req_id = reader.integer()
    if not client.unsubscribe(KIND, req_id):
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
        refusal = invalid(f"What to show '{what}' is not one of {sorted(WHAT_TO_SHOW)}")
        await client.error(req_id, refusal.code, str(refusal))
        return
    begins = head(client.gateway.market, listing.contract.con_id)
    text = str(int(begins.timestamp())) if epoch_seconds else f"{begins.astimezone(UTC):%Y%m%d-%H:%M:%S}"
    await client.send(88, req_id, text)


async def cancel_head_timestamp(_client: Client, reader: Reader) -> None:
    """Take 90: the answer was sent at once, so nothing is left to end."""
    reader.integer()
