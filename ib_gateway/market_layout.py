"""How contracts and their details are read from and written on the wire, version by version."""

from collections.abc import Iterable
from datetime import datetime

from ib_gateway.contracts import ComboLeg, Contract, Listing
from ib_gateway.market_hours import NEW_YORK, hours_text
from ib_gateway.wire import Field, Reader

ZONE = "US/Eastern"
_ORDER_TYPES = (
    "ACTIVETIM,AD,ADJUST,ALERT,ALGO,ALLOC,AON,AVGCOST,BASKET,COND,CONDORDER,DAY,DEACT,FOK,GAT,GTC,GTD,GTT,HID,IOC,"
    "LIT,LMT,LOC,MIT,MKT,MOC,NGCOMB,NONALGO,OCA,OPG,OPGREROUT,SCALE,SMARTSTG,STP,STPLMT,TRAIL,TRAILLIT,TRAILLMT,WHATIF"
)


def read_contract(reader: Reader) -> Contract:
    """Take the twelve contract fields."""
    return Contract(
        con_id=reader.integer(),
        symbol=reader.text(),
        sec_type=reader.text(),
        last_trade_date=reader.text(),
        strike=reader.real(),
        right=reader.text(),
        multiplier=reader.text(),
        exchange=reader.text(),
        primary_exchange=reader.text(),
        currency=reader.text(),
        local_symbol=reader.text(),
        trading_class=reader.text(),
    )


def read_legs(reader: Reader) -> tuple[ComboLeg, ...]:
    """Take the legs of a BAG in a request for its market data: a count, and four fields each."""
    return tuple(
        ComboLeg(con_id=reader.integer(), ratio=reader.integer(), action=reader.text(), exchange=reader.text())
        for _ in range(reader.integer())
    )


def details_fields(req_id: int, listing: Listing, exchange: str, now: datetime, version: int) -> list[Field]:
    """Write contract details (message 10) as seen at an exchange."""
    own = listing.contract
    today = now.astimezone(NEW_YORK).date()
    month = own.last_trade_date[:6]
    return [
        *(() if version >= 164 else (8,)),
        req_id,
        *(own.symbol, own.sec_type, own.last_trade_date, own.strike, own.right, exchange, own.currency),
        *(own.local_symbol, own.trading_class, own.trading_class, own.con_id, listing.min_tick),
        *(() if version >= 164 else (100,)),
        *(own.multiplier, _ORDER_TYPES, ",".join(listing.exchanges), 1, listing.under_con_id, listing.long_name),
        *(own.primary_exchange, month, listing.industry, listing.category, listing.subcategory, ZONE),
        *(hours_text(own, today, extended=True), hours_text(own, today, extended=False), "", 0, 0),
        *(1, listing.under_symbol, listing.under_sec_type, ",".join(map(str, listing.market_rules))),
        *(own.last_trade_date, listing.stock_type),
        *_size_fields(listing, version),
    ]


def _size_fields(listing: Listing, version: int) -> tuple[Field, ...]:
    smallest = 0.0001 if listing.contract.sec_type == "STK" else 1
    suggested = 100 if listing.contract.sec_type == "STK" else 1
    if version >= 164:
        return smallest, smallest, suggested
    return (suggested,) if version == 163 else ()


def sample_fields(req_id: int, found: Iterable[tuple[Listing, tuple[str, ...]]], version: int) -> list[Field]:
    """Write matching symbols (message 79): each listing with the kinds of derivatives on it."""
    rows = list(found)
    fields: list[Field] = [req_id, len(rows)]
    for listing, kinds in rows:
        own = listing.contract
        where = own.primary_exchange or own.exchange
        fields += [own.con_id, own.symbol, own.sec_type, where, own.currency, len(kinds), *kinds]
        fields += [listing.long_name, ""] if version >= 176 else []
    return fields
