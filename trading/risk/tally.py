"""The tally: what an account holds, has working and has done today, kept up to date order by order."""

import copy
from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from trading.market.instruments import Option
from trading.orders.orders import NewOrderSingle, OrderPurpose, OrdStatus
from trading.risk.day_trades import count_day_trades
from trading.risk.exposure import AccountExposure, SideExposure
from trading.risk.limits import RiskLimits
from trading.risk.refusals import RefusalCode
from trading.risk.restrictions import Restriction, RestrictionKind, RiskScope
from trading.risk.risk_state import RiskState
from trading.risk.scoped_limits import LimitScope, ScopedLimits
from trading.risk.trading_facts import NOTHING_KNOWN, TradingFacts

HUNDRED = Decimal(100)
_ZERO, _ONE = Decimal(0), Decimal(1)


class Refusal(NamedTuple):
    """Why an order may not pass as it is; `limit`, `value` and `before` as in `RiskDecision`."""

    code: RefusalCode
    limit: str
    value: str
    text: str
    before: str = ""


class Proposal(NamedTuple):
    """One order of one symbol, at a quantity, with what it would make of the account.

    Attributes:
        notional: 0 when its symbol has no price.
        before, after: the order's side of its symbol.
        gross: of the account with it.
    """

    order: NewOrderSingle
    qty: Decimal
    notional: Decimal
    before: SideExposure
    after: SideExposure
    gross: Decimal

    @property
    def adds(self) -> bool:
        """Tell whether it could do more than close what is held: no limit on that may prevent closing."""
        return self.after.opening > self.before.opening

    @property
    def closing(self) -> Decimal:
        """Return how much of it only closes, >= 0."""
        return self.qty - (self.after.opening - self.before.opening)


class Tally:
    """Limits, the account's state, and the running sums behind `check_orders`.

    Attributes:
        books: exposure of each strategy book that a limit or restriction names.
        groups: sum of the worst case over the symbols of each limited symbol, sector and asset class.
    """

    def __init__(self, state: RiskState, limits: RiskLimits) -> None:
        self.state, self.limits = state, limits
        self.exposure = exposure_of(state)
        unknown = [o for o in state.working if o.ord_status is OrdStatus.UNKNOWN]
        self.locked = {symbol: o.cl_ord_id for o in unknown for symbol in o.new_order.symbols}
        self.allowed, self.blocked = frozenset(limits.allowed_symbols), frozenset(limits.blocked_symbols)
        self.orders_today, self.notional_today = state.orders_today, state.notional_today
        self.orders_last_minute = state.orders_last_minute
        self.portfolio = state.portfolio.copy() if state.portfolio is not None else None
        self.initial_margin = (
            self.exposure.gross * limits.margin_rate_pct / HUNDRED if state.margin is None else state.margin.initial
        )
        self._count_today()
        self._count_scopes(_multipliers(state))

    def _count_today(self) -> None:
        self.qty_today: defaultdict[str, Decimal] = defaultdict(Decimal)
        for part in (part for order in self.state.today for part in order.parts()):
            self.qty_today[part.symbol] += part.order_qty
        self.options: dict[str, list[str]] = {}  # by underlying
        for symbol, facts in self.state.facts.items():
            if isinstance(facts.instrument, Option):
                self.options.setdefault(facts.instrument.underlying, []).append(symbol)
        traded = set(self.state.traded_today)
        for part in (part for order in self.state.working for part in order.in_force.parts()):
            traded.add((part.cl_ord_id, part.symbol, part.side))
        self.trades_today = Counter((symbol, side) for _, symbol, side in traded)
        self.day_trades = self.state.day_trades_before + count_day_trades(traded)

    def _count_scopes(self, multipliers: dict[str, Decimal]) -> None:
        limits, state = self.limits, self.state
        self._scopes = {scoped.key: scoped for scoped in limits.scopes}
        self._classes = [key for key in self._scopes if key[0] is LimitScope.ASSET_CLASS]
        self._sectors = {symbol: sector.name for sector in limits.sectors for symbol in sector.symbols}
        self._known_scopes: dict[str, tuple[ScopedLimits, ...]] = {}
        self.scope_orders = Counter(s.key for order in state.today for s in self.scopes_of_all(order))
        self.groups = dict.fromkeys(self._scopes, _ZERO)
        for symbol, value in self.exposure.worst.items() if self._scopes else ():
            for scoped in self.scopes_of_symbol(symbol):
                self.groups[scoped.key] += value
        named = {subject for scope, subject in self._scopes if scope is LimitScope.STRATEGY}
        named |= {r.subject for r in state.restrictions if r.scope is RiskScope.STRATEGY}
        self.books = {
            book: AccountExposure(
                state.books.get(book, {}),
                [o for o in state.working if o.new_order.book == book],
                state.marks,
                multipliers,
            )
            for book in named
        }

    def copy(self) -> "Tally":
        """Return a tally that goes its own way from here."""
        twin = copy.copy(self)
        twin.exposure = self.exposure.copy()
        twin.books = {book: exposure.copy() for book, exposure in self.books.items()}
        twin.groups, twin.qty_today = dict(self.groups), self.qty_today.copy()
        twin.trades_today, twin.scope_orders = self.trades_today.copy(), self.scope_orders.copy()
        twin.portfolio = self.portfolio.copy() if self.portfolio is not None else None
        return twin

    # -- what is asked of it

    def propose(self, order: NewOrderSingle, qty: Decimal) -> Proposal:
        """Return what `qty` of the order would make of the account."""
        after, gross = self.exposure.after(order, qty)
        notional = qty * self.exposure.unit_value(order)
        return Proposal(order, qty, notional, self.exposure.before(order), after, gross)

    def facts(self, symbol: str) -> TradingFacts:
        """Return what is known of the symbol."""
        return self.state.facts.get(symbol, NOTHING_KNOWN)

    def lot_size(self, symbol: str) -> Decimal:
        """Return the smallest step of a quantity; 1 when not known."""
        instrument = self.facts(symbol).instrument
        return _ONE if instrument is None else instrument.lot_size

    def scopes(self, order: NewOrderSingle) -> tuple[ScopedLimits, ...]:
        """Return the limits that apply to the order besides the account's."""
        if not self._scopes:
            return ()
        of_book = self._scopes.get((LimitScope.STRATEGY, order.book))
        of_symbol = self.scopes_of_symbol(order.symbol)
        return of_symbol if of_book is None else (of_book, *of_symbol)

    def scopes_of_all(self, order: NewOrderSingle) -> set[ScopedLimits]:
        """Return those of an order with all its legs, each once."""
        return {scoped for part in order.parts() for scoped in self.scopes(part)}

    def scopes_of_symbol(self, symbol: str) -> tuple[ScopedLimits, ...]:
        """Return those of its instrument, sector and asset class; not knowing the last, those of all of them."""
        found = self._known_scopes.get(symbol)
        if found is None:
            instrument = self.facts(symbol).instrument
            kind = None if instrument is None else (LimitScope.ASSET_CLASS, str(instrument.security_type))
            keys = [
                (LimitScope.INSTRUMENT, symbol),
                (LimitScope.SECTOR, self._sectors.get(symbol, "")),
                *(self._classes if kind is None else [kind]),
            ]
            found = self._known_scopes[symbol] = tuple(self._scopes[key] for key in keys if key in self._scopes)
        return found

    def scope_value(self, scoped: ScopedLimits, asked: Proposal) -> tuple[Decimal, Decimal]:
        """Return the exposure of a scope before and after the order."""
        if scoped.scope is LimitScope.STRATEGY:
            book = self.books[asked.order.book]
            return book.gross, book.after(asked.order, asked.qty)[1]
        before = self.groups[scoped.key]
        return before, before + asked.gross - self.exposure.gross

    def adds_in_book(self, asked: Proposal) -> bool:
        """Tell whether the order does more than close what its strategy book holds."""
        return self._opening_in_book(asked) > 0

    def _opening_in_book(self, asked: Proposal) -> Decimal:
        book = self.books[asked.order.book]
        return book.after(asked.order, asked.qty)[0].opening - book.before(asked.order).opening

    def restricted(self, asked: Proposal, kind: RestrictionKind) -> Iterable[str]:
        """Return the cause of each restriction of that kind which the order falls under."""
        return (r.cause for r in self.state.restrictions if r.kind is kind and _covers(r, asked.order))

    def added_to(self, restriction: Restriction, asked: Proposal) -> Decimal:
        """Return how much of the order adds to what the restriction is about, and does not close it."""
        if not _covers(restriction, asked.order):
            return _ZERO
        return self._opening_in_book(asked) if restriction.scope is RiskScope.STRATEGY else asked.qty - asked.closing

    def margin_change(self, asked: Proposal) -> Decimal:
        """Return what the order adds to initial margin: what the broker says, or by the rate of the limits."""
        told = None if self.state.margin is None else self.state.margin.changes.get(asked.order.cl_ord_id)
        if told is not None:
            return told * asked.qty / asked.order.order_qty
        return (asked.gross - self.exposure.gross) * self.limits.margin_rate_pct / HUNDRED

    def day_trades_with(self, order: NewOrderSingle) -> int:
        """Return the day trades of five sessions when the order and all that works are filled.

        Of a symbol that is both bought and sold on a day, the side with fewer orders counts.
        """
        mine, other = self.trades_today[order.symbol, order.side], self.trades_today[order.symbol, order.side.opposite]
        return self.day_trades + int(mine < other)

    def money(self, amount: Decimal) -> str:
        """Return an amount for a person."""
        return f"{amount:,.2f} {self.state.currency}"

    # -- what changes it

    def count(self, asked: Proposal) -> None:
        """Count what the order, or a leg of one, may trade as working from now on."""
        order, qty = asked.order, asked.qty
        self.initial_margin += self.margin_change(asked)
        for scoped in self.scopes_of_symbol(order.symbol):
            self.groups[scoped.key] += asked.gross - self.exposure.gross
        self.exposure.reserve(order, qty)
        if order.book in self.books:
            self.books[order.book].reserve(order, qty)
        if self.portfolio is not None:
            self.portfolio.reserve(order.symbol, self.signed_value(asked))
        if order.purpose is OrderPurpose.PROTECT:
            return  # in no count of the day
        self.notional_today += asked.notional
        self.qty_today[order.symbol] += qty
        self.day_trades = self.day_trades_with(order)
        self.trades_today[order.symbol, order.side] += 1

    def count_order(self, order: NewOrderSingle) -> None:
        """Count an order as one of the session, however many legs it has."""
        self.orders_today += 1
        self.orders_last_minute += 1
        self.scope_orders.update(s.key for s in self.scopes_of_all(order))

    def signed_value(self, asked: Proposal) -> float:
        """Return what the order adds to what works at the last price, as measures count it."""
        added = asked.after.working - asked.before.working  # of orders that never both fill, the second adds nothing
        return float(asked.order.side.sign * added * self.exposure.mark_value(asked.order.symbol))


def exposure_of(state: RiskState) -> AccountExposure:
    """Return what the account would hold if the worst of its working orders were filled."""
    return AccountExposure(state.held, state.working, state.marks, _multipliers(state))


def _multipliers(state: RiskState) -> dict[str, Decimal]:
    told = ((symbol, facts.instrument) for symbol, facts in state.facts.items())
    return {**state.multipliers, **{s: i.multiplier for s, i in told if i is not None and i.multiplier != 1}}


def _covers(restriction: Restriction, order: NewOrderSingle) -> bool:
    match restriction.scope:
        case RiskScope.DESK:
            return True
        case RiskScope.ACCOUNT:
            return restriction.subject == order.account
        case RiskScope.STRATEGY:
            return restriction.subject == order.book
        case RiskScope.INSTRUMENT:
            return restriction.subject == order.symbol
