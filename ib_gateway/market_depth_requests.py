"""Market depth: the rows of both sides, numbered from the best, and every change of a row.

As the broker does, a row that changes is updated in its place; rows are inserted and deleted at the end only.

Source: layouts as the clients write and read them; that rows change in place as in github.com/ib-api-reloaded/ib_async
issue 33; the words of 2152 as in github.com/wboayue/rust-ibapi, src/testdata/responses.rs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from ib_gateway.client import Client
from ib_gateway.contracts import Listing, increment_at
from ib_gateway.market_contract_requests import find_listing
from ib_gateway.market_layout import read_contract
from ib_gateway.market_line_requests import is_trading
from ib_gateway.market_prices import drawn
from ib_gateway.market_streams import Stream
from ib_gateway.wire import Reader

KIND = "market_depth"
MOST_CONTRACTS = 3
PRICES = 10  # of each side
ASK, BID = 0, 1
_INSERT, _UPDATE, _DELETE = 0, 1, 2
_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one exchange shows at one price; `maker` is empty where there is one exchange only."""

    maker: str
    price: Decimal
    size: int


async def market_depth(client: Client, reader: Reader) -> None:
    """Answer 10: a message for each row (12, or 13 with the exchange) and for each of its changes, until canceled."""
    reader.integer()
    req_id, query = reader.integer(), read_contract(reader)
    count, is_smart = reader.integer(), reader.boolean()
    listing = await find_listing(client, req_id, query, client.gateway.now())
    if listing is None:
        return
    makers = _makers(client, listing, query.exchange, is_smart=is_smart)
    refusal = _refusal(client, req_id, listing, makers)
    if refusal is not None:
        await client.error(req_id, *refusal)
        return
    if is_smart and (text := _missing(client, listing)):
        await client.error(req_id, 2152, text)
    client.depth_contracts[req_id] = listing.contract.con_id
    book = _Book(client, req_id, listing, count, makers)
    Stream(client, _SECONDS, book.push, on_end=book.end).start(KIND, req_id)


def _makers(client: Client, listing: Listing, exchange: str, *, is_smart: bool) -> tuple[str, ...]:
    """Return which exchanges have rows; none where such a book is not offered."""
    if listing.contract.sec_type == "IND" or is_smart != (exchange == "SMART"):
        return ()
    if not is_smart:
        return ("",)
    closed = client.gateway.market.without_depth
    return tuple(name for name in listing.exchanges if name != "SMART" and name not in closed)


def _missing(client: Client, listing: Listing) -> str:
    missing = "; ".join(name for name in listing.exchanges if name in client.gateway.market.without_depth)
    shown = "; ".join(_makers(client, listing, "SMART", is_smart=True))
    if not missing:
        return ""
    return f"Exchanges - Depth: {shown}; Need additional market data permissions - Depth: {missing}; "


def _refusal(client: Client, req_id: int, listing: Listing, makers: tuple[str, ...]) -> tuple[int, str] | None:
    if req_id in client.depth_contracts:
        return 102, "Duplicate ticker ID."
    if not makers:
        return 10092, "Deep market data is not supported for this combination of security type/exchange"
    if listing.contract.symbol in client.gateway.market.without_live_data:
        return 354, "Requested market data is not subscribed."
    used = {con_id for other in client.gateway.clients for con_id in other.depth_contracts.values()}
    if len(used | {listing.contract.con_id}) > MOST_CONTRACTS:
        return 309, f"Max number ({MOST_CONTRACTS}) of market depth requests has been reached"
    return None


class _Book:
    """Both sides of one contract to one client."""

    def __init__(self, client: Client, req_id: int, listing: Listing, count: int, makers: tuple[str, ...]) -> None:
        self._client, self._req_id, self._listing = client, req_id, listing
        self._count, self._makers = count, makers
        self._sent: dict[int, list[Row]] = {ASK: [], BID: []}

    def push(self) -> None:
        """Send which rows are not as they were told; while the contract does not trade there are none."""
        now = self._client.gateway.now()
        trades = is_trading(self._client, self._listing.contract.sec_type, now)
        for side, sent in self._sent.items():
            rows = depth_rows(self._client, self._listing, side, self._makers, now)[: self._count] if trades else []
            self._change(side, sent, rows)
            self._sent[side] = rows

    def end(self) -> None:
        """Give its place back."""
        del self._client.depth_contracts[self._req_id]

    def _change(self, side: int, sent: Sequence[Row], rows: Sequence[Row]) -> None:
        for position, row in enumerate(rows):
            if position >= len(sent):
                self._post(position, _INSERT, side, row)
            elif sent[position] != row:
                self._post(position, _UPDATE, side, row)
        for position in range(len(sent) - 1, len(rows) - 1, -1):
            self._post(position, _DELETE, side, Row(maker=sent[position].maker, price=Decimal(0), size=0))

    def _post(self, position: int, operation: int, side: int, row: Row) -> None:
        if row.maker:
            told = (position, row.maker, operation, side, row.price, row.size, True)
            self._client.post(13, 1, self._req_id, *told)
        else:
            self._client.post(12, 1, self._req_id, position, operation, side, row.price, row.size)


def depth_rows(client: Client, listing: Listing, side: int, makers: Sequence[str], at: datetime) -> list[Row]:
    """Return the rows of a side, best first: from its best price on, at each price the first exchange and some others.

    The best price is that of the quote; the same second has the same rows.
    """
    market, con_id = client.gateway.market, listing.contract.con_id
    quote = market.quote(con_id, at)
    best, away = (quote.bid, -1) if side == BID else (quote.ask, 1)
    step = increment_at(listing.market_rules[0], best)
    draw = drawn(market.seed, con_id, int(at.timestamp()), side).random
    shown = [
        Row(maker=maker, price=best + away * step * place, size=100 + 100 * int(draw() * 20))
        for place in range(PRICES)
        for number, maker in enumerate(makers)
        if number == 0 or draw() < 0.3
    ]
    return [row for row in shown if row.price > 0]


async def cancel_market_depth(client: Client, reader: Reader) -> None:
    """Take 11: end a book; 310 if there is none."""
    reader.integer()
    req_id = reader.integer()
    if not client.unsubscribe(KIND, req_id):
        await client.error(req_id, 310, f"Can't find the subscribed market depth with tickerId:{req_id}")
