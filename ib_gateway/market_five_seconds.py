"""Bars of five seconds, sent as they end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from ib_gateway.client import Client
from ib_gateway.contracts import Listing
from ib_gateway.market import Market
from ib_gateway.market_bar_terms import Bar, BarRequest
from ib_gateway.market_contract_requests import find_listing
from ib_gateway.market_history import history
from ib_gateway.market_hours import is_open
from ib_gateway.market_layout import read_contract
from ib_gateway.market_streams import Stream
from ib_gateway.wire import Field, Reader

KIND = "real_time_bars"


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
    Stream(client, 0.5, feed.push).start(KIND, req_id)


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
    if not client.unsubscribe(KIND, req_id):
        await client.error(req_id, 300, f"Can't find EId with tickerId:{req_id}")


def with_last_price(market: Market, listing: Listing, bar: Bar, now: datetime) -> Bar:
    """Return an unfinished bar that ends at the price of now, which a test may have set."""
    if bar.volume < 0 and listing.contract.sec_type != "CASH":
        return bar
    last = market.quote(listing.contract.con_id, now).last
    return replace(bar, close=last, high=max(bar.high, last), low=min(bar.low, last))
