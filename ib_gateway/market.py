"""The market: what a contract costs at any time, from a seed or from replayed bars."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from ib_gateway.contracts import ComboLeg, Contract, Listing, UnknownContract, increment_at
from ib_gateway.market_catalogue import Catalogue, full_catalogue
from ib_gateway.market_hours import is_open, latest_period
from ib_gateway.market_options import CarriedPrices, Greeks, OptionPrices
from ib_gateway.market_prices import PriceSource, RandomWalk, drawn
from ib_gateway.market_replay import ReplayBar, replay_sources


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The best prices at one time; sizes in units of the contract.

    Attributes:
        bid: one increment below the last price, never below 0 (then `bid_size` is 0) but for combos.
        ask: one increment above the last price.
    """

    bid: Decimal
    ask: Decimal
    last: Decimal
    bid_size: int
    ask_size: int
    last_size: int

    @property
    def mid(self) -> Decimal:
        """The price in the middle."""
        return (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySummary:
    """The latest regular session up to one time, and the close before it."""

    open: Decimal
    high: Decimal
    low: Decimal
    previous_close: Decimal
    volume: int


class Market:
    """Prices of the whole catalogue; the same seed and time always give the same price.

    Attributes:
        without_live_data: symbols for which the user pays no exchange: only delayed prices are shown.
        without_depth: exchanges whose order books the user does not pay for.
        watchers: are called by `refresh`, which is also called whenever a price is set.

    Args:
        replay: recorded bars; their symbols have these prices, and become stocks where the catalogue has none of them.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        catalogue: Catalogue | None = None,
        replay: Iterable[ReplayBar] = (),
    ) -> None:
        self.seed = seed
        self._replay = replay_sources(replay)
        self.catalogue = (catalogue or full_catalogue()).with_stocks(self._replay)
        self.without_live_data: set[str] = set()
        self.without_depth: set[str] = set()
        self.watchers: list[Callable[[], None]] = []
        self._sources: dict[int, PriceSource] = {}
        self._fixed: dict[int, Decimal] = {}

    def contract(self, con_id: int) -> Contract:
        """Return a contract in full.

        Raises:
            UnknownContract: there is none with this id.
        """
        return self.catalogue.listing(con_id).contract

    def listing(self, con_id: int) -> Listing:
        """Return a contract with its details.

        Raises:
            UnknownContract: there is none with this id.
        """
        return self.catalogue.listing(con_id)

    def find(self, query: Contract, *, on: date | None = None) -> list[Contract]:
        """Return what a query can mean, in full; given a day, nothing that has expired by then."""
        return [listing.contract for listing in self.catalogue.find(query, on=on)]

    def price_increment(self, contract: Contract, price: Decimal) -> Decimal:
        """Return what a price must be a multiple of where the contract is routed to; for a combo a cent."""
        if contract.sec_type == "BAG":
            return Decimal("0.01")
        listing = self.catalogue.listing(contract.con_id)
        return increment_at(listing.rule_at(contract.exchange), price)

    def is_open(self, con_id: int, at: datetime, *, extended: bool = False) -> bool:
        """Return whether a contract trades, in its regular or also in its extended hours."""
        return is_open(self.contract(con_id).sec_type, at, extended=extended)

    def set_price(self, symbol: str, price: Decimal | None) -> None:
        """Hold the stock, currency or index of this symbol (EUR or EUR.USD) at a price; None lets it move again.

        Options follow their underlying. History stays as it was.

        Raises:
            UnknownContract: no stock, currency or index has this symbol.
            ValueError: the price is not above 0.
        """
        if price is not None and not 0 < price < Decimal("Infinity"):
            raise ValueError(f"{symbol} cannot be held at {price}; a price is above 0")
        queries = (Contract(symbol=symbol), Contract(local_symbol=symbol))
        found = [contract for query in queries for contract in self.find(query) if contract.sec_type != "OPT"]
        if not found:
            raise UnknownContract(symbol)
        for contract in found:
            if price is None:
                self._fixed.pop(contract.con_id, None)
            else:
                self._fixed[contract.con_id] = price
        self.refresh()

    def refresh(self) -> None:
        """Have every subscription send what is new by now, without waiting for its next turn."""
        for watcher in tuple(self.watchers):
            watcher()

    def quote(self, con_id: int, at: datetime) -> Quote:
        """Return bid, ask and last at a time; while the contract is closed, those of the last moment it was open.

        Raises:
            UnknownContract: there is no contract with this id.
        """
        listing = self.catalogue.listing(con_id)
        exact = self._fixed.get(con_id)
        last = exact if exact is not None else self.rounded(listing, self._price(listing, at))
        step = increment_at(listing.market_rules[0], last)
        bid = max(_on_grid(last - step, step, ROUND_FLOOR), Decimal(0))
        draw = drawn(self.seed, con_id, int(at.timestamp())).random
        bid_size, ask_size, last_size = (100 + 100 * int(draw() * 20) for _ in range(3))
        return Quote(
            bid=bid,
            ask=_on_grid(last + step, step, ROUND_CEILING),
            last=last,
            bid_size=bid_size if bid > 0 else 0,
            ask_size=ask_size,
            last_size=last_size,
        )

    def quote_combo(self, legs: Sequence[ComboLeg], at: datetime) -> Quote:
        """Return the net quote of one unit of a combo, as its buyer sees it; prices may be zero or negative.

        Raises:
            UnknownContract: a leg names no contract.
        """
        quotes = [(leg, self.quote(leg.con_id, at)) for leg in legs]
        bought = [(leg.ratio, quote) for leg, quote in quotes if leg.action == "BUY"]
        sold = [(leg.ratio, quote) for leg, quote in quotes if leg.action != "BUY"]
        zero = Decimal(0)
        return Quote(
            bid=sum((n * q.bid for n, q in bought), zero) - sum((n * q.ask for n, q in sold), zero),
            ask=sum((n * q.ask for n, q in bought), zero) - sum((n * q.bid for n, q in sold), zero),
            last=sum((n * q.last for n, q in bought), zero) - sum((n * q.last for n, q in sold), zero),
            bid_size=1,
            ask_size=1,
            last_size=1,
        )

    def day(self, con_id: int, at: datetime) -> DaySummary:
        """Return open, high, low and volume of the latest regular session up to a time, and the close before it."""
        listing = self.catalogue.listing(con_id)
        kind, source = listing.contract.sec_type, self.source(con_id)
        period = latest_period(kind, at, regular=True)
        until = min(max(at, period.opens), period.closes)
        bar, last = source.bar(period, period.opens, until), self.quote(con_id, at).last
        if bar is None:
            return DaySummary(open=last, high=last, low=last, previous_close=self.previous_close(con_id, at), volume=0)
        return DaySummary(
            open=self.rounded(listing, bar.open),
            high=max(self.rounded(listing, bar.high), last),
            low=min(self.rounded(listing, bar.low), last),
            previous_close=self.previous_close(con_id, at),
            volume=int(bar.volume),
        )

    def previous_close(self, con_id: int, at: datetime) -> Decimal:
        """Return the close of the regular session before the latest one."""
        listing = self.catalogue.listing(con_id)
        kind = listing.contract.sec_type
        today = latest_period(kind, at, regular=True)
        before = latest_period(kind, today.opens, regular=True, closed=True)
        return self.rounded(listing, self.source(con_id).price(before.closes))

    def greeks(self, con_id: int, at: datetime) -> tuple[Greeks, float, Decimal]:
        """Return an option's model values, its volatility of a year, and the underlying's price they are for."""
        listing = self.catalogue.listing(con_id)
        source = self.source(con_id)
        if not isinstance(source, OptionPrices):
            raise UnknownContract(con_id)
        under = self.quote(listing.under_con_id, at).last
        return source.greeks(float(under), at), source.volatility, under

    def rounded(self, listing: Listing, price: float) -> Decimal:
        """Return a price on the listing's ladder, at least one increment for what cannot be worth nothing."""
        exact = Decimal(repr(price))
        step = increment_at(listing.market_rules[0], exact)
        lowest = Decimal(0) if listing.contract.sec_type == "OPT" else step
        return max(_on_grid(exact, step, ROUND_HALF_EVEN), lowest)

    def source(self, con_id: int) -> PriceSource:
        """Return where a contract's prices come from."""
        if con_id not in self._sources:
            self._sources[con_id] = self._made_source(self.catalogue.listing(con_id))
        return self._sources[con_id]

    def _price(self, listing: Listing, at: datetime) -> float:
        source = self.source(listing.contract.con_id)
        at = min(at, latest_period(listing.contract.sec_type, at).closes)
        if isinstance(source, OptionPrices) and listing.under_con_id in self._fixed:
            return source.greeks(float(self._fixed[listing.under_con_id]), at).price
        return source.price(at)

    def _made_source(self, listing: Listing) -> PriceSource:
        contract = listing.contract
        if contract.sec_type in ("STK", "IND", "CASH"):
            return self._recorded_or_walk(listing, contract.local_symbol)
        expiry = date.fromisoformat(contract.last_trade_date)
        if contract.sec_type == "FUT":
            return CarriedPrices(underlying=self._recorded_or_walk(listing, listing.under_symbol), expiry=expiry)
        return OptionPrices(
            underlying=self.source(listing.under_con_id),
            strike=contract.strike,
            call=contract.right == "C",
            expiry=expiry,
            volatility=listing.daily_volatility * math.sqrt(252),
        )

    def _recorded_or_walk(self, listing: Listing, key: str) -> PriceSource:
        return self._replay.get(key) or RandomWalk(
            seed=self.seed,
            key=key if listing.contract.primary_exchange != "AMEX" else f"{key}.AMEX",
            sec_type=listing.contract.sec_type,
            reference_px=float(listing.reference_px),
            daily_volatility=listing.daily_volatility,
            daily_volume=listing.daily_volume,
        )


def _on_grid(price: Decimal, step: Decimal, rounding: str) -> Decimal:
    return (price / step).to_integral_value(rounding) * step
