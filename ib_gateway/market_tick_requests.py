"""Tick by tick: every change of the last trade, of the quote, or of the price between."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from ib_gateway.client import Client
from ib_gateway.contracts import Listing
from ib_gateway.market import Quote
from ib_gateway.market_contract_requests import find_listing
from ib_gateway.market_layout import read_contract
from ib_gateway.market_line_requests import is_trading
from ib_gateway.market_streams import Stream
from ib_gateway.wire import Field, Reader

KIND = "tick_by_tick"
_SECONDS = 0.1


def _trade(quote: Quote) -> tuple[Field, ...]:
    return quote.last, quote.last_size, 0, "NYSE", ""


def _best(quote: Quote) -> tuple[Field, ...]:
    return quote.bid, quote.ask, quote.bid_size, quote.ask_size, 0


def _middle(quote: Quote) -> tuple[Field, ...]:
    return (quote.mid,)


TICK_TYPES: Mapping[str, tuple[int, Callable[[Quote], tuple[Field, ...]]]] = MappingProxyType(
    {"Last": (1, _trade), "AllLast": (2, _trade), "BidAsk": (3, _best), "MidPoint": (4, _middle)}
)


async def tick_by_tick(client: Client, reader: Reader) -> None:
    """Answer 97: one message (99) now and at every change, until canceled; 10189 and 10190 where it is not offered."""
    req_id, query, name = reader.integer(), read_contract(reader), reader.text()
    listing = await find_listing(client, req_id, query, client.gateway.now())
    if listing is None:
        return
    refusal = _refusal(client, listing, name)
    if refusal is not None:
        await client.error(req_id, *refusal)
        return
    feed = _Feed(client, req_id, listing, name)
    Stream(client, _SECONDS, feed.push).start(KIND, req_id)


def _refusal(client: Client, listing: Listing, name: str) -> tuple[int, str] | None:
    kind = listing.contract.sec_type
    if name not in TICK_TYPES:
        return 321, f"Error validating request.-'bX' : cause - tick type '{name}' is not one of {list(TICK_TYPES)}"
    has_none = (kind == "CASH" and name in ("Last", "AllLast")) or (kind == "IND" and name in ("BidAsk", "MidPoint"))
    if has_none or listing.contract.symbol in client.gateway.market.without_live_data:
        where = f"{listing.contract.symbol} {listing.contract.exchange}/{name}"
        return 10189, f"Failed to request tick-by-tick data:No market data permissions for {where}"
    at_most = max(3, client.gateway.settings.data_lines // 100)
    running = [kind for other in client.gateway.clients for kind, _ in other.subscriptions if kind == KIND]
    if len(running) >= at_most:
        return 10190, f"Max number of tick-by-tick requests has been reached: {at_most}"
    return None


class _Feed:
    """One kind of tick of one contract to one client."""

    def __init__(self, client: Client, req_id: int, listing: Listing, name: str) -> None:
        self._client = client
        self._req_id = req_id
        self._listing = listing
        self._number, self._values = TICK_TYPES[name]
        self._sent: tuple[Field, ...] = ()

    def push(self) -> None:
        """Send the tick if it differs from the last one, while the contract trades."""
        now = self._client.gateway.now()
        if not is_trading(self._client, self._listing.contract.sec_type, now):
            return
        values = self._values(self._client.gateway.market.quote(self._listing.contract.con_id, now))
        if values != self._sent:
            self._sent = values
            self._client.post(99, self._req_id, self._number, int(now.timestamp()), *values)


async def cancel_tick_by_tick(client: Client, reader: Reader) -> None:
    """Take 98: end tick by tick."""
    req_id = reader.integer()
    if not client.unsubscribe(KIND, req_id):
        await client.error(req_id, 300, f"Can't find EId with tickerId:{req_id}")
