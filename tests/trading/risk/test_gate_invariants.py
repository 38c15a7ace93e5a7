"""The gate against an independent count: whatever is asked, what it accepts stays within every limit."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from trading.orders.order_types import PegOffsetType
from trading.orders.orders import NewOrderSingle, Order, OrdStatus, OrdType, Side, TimeInForce
from trading.risk.gate import RiskState, check_orders
from trading.risk.limits import RiskLimits
from trading.risk.scoped_limits import LimitScope, ScopedLimits, Sector
from trading.risk.trading_facts import TradingFacts

SYMBOLS = ("A", "B", "C")
MULTIPLIERS = {"C": Decimal(100)}

VOLUME = Decimal(1000)
FACTS = {  # A and C move together
    "A": TradingFacts(average_volume=VOLUME, correlated=frozenset({"C"})),
    "B": TradingFacts(average_volume=VOLUME, correlated=frozenset()),
    "C": TradingFacts(average_volume=VOLUME, correlated=frozenset({"A"})),
}

amounts = st.integers(1, 5000).map(Decimal)
marks = st.fixed_dictionaries({s: st.integers(100, 5000).map(lambda cents: Decimal(cents) / 100) for s in SYMBOLS})
limits = st.builds(
    lambda order, position, **others: RiskLimits(
        max_order_notional=min(order, 2 * position if others["short_sales_allowed"] else position),
        max_position_notional=position,
        sectors=(Sector(name="both", symbols=("A", "B")),),
        **others,
    ),
    amounts,
    amounts,
    max_position_pct=st.integers(1, 300).map(Decimal),
    max_gross_leverage=st.integers(1, 40).map(lambda tenths: Decimal(tenths) / 10),
    max_orders_per_day=st.integers(1, 12),
    max_notional_per_day=st.integers(1, 20_000).map(Decimal),
    price_band_pct=st.integers(1, 30).map(Decimal),
    buying_power_multiple=st.integers(1, 40).map(lambda tenths: Decimal(tenths) / 10),
    blocked_symbols=st.sampled_from([(), ("B",)]),
    max_position_qty=st.none() | st.integers(60, 200).map(Decimal),
    max_net_leverage=st.none() | st.integers(1, 20).map(lambda tenths: Decimal(tenths) / 10),
    max_turnover_per_day_pct=st.none() | st.integers(10, 300).map(Decimal),
    max_participation_pct=st.none() | st.integers(1, 20).map(Decimal),
    max_cluster_pct=st.none() | st.integers(10, 200).map(Decimal),
    max_margin_pct=st.none() | st.integers(10, 100).map(Decimal),
    short_sales_allowed=st.booleans(),
    scopes=st.sampled_from([(), (ScopedLimits(scope=LimitScope.SECTOR, subject="both", max_notional=Decimal(2000)),)]),
)


@st.composite
def orders(draw) -> NewOrderSingle:
    ord_type = draw(st.sampled_from(OrdType))
    px = st.integers(50, 6000).map(lambda cents: Decimal(cents) / 100)
    return NewOrderSingle(
        cl_ord_id="",
        account="DU1",
        session=date(2024, 4, 1),
        book="main",
        symbol=draw(st.sampled_from(SYMBOLS)),
        side=draw(st.sampled_from(Side)),
        order_qty=Decimal(draw(st.integers(1, 120))),
        ord_type=ord_type,
        time_in_force=TimeInForce.DAY,
        expire_time=datetime(2024, 4, 1, 20, tzinfo=UTC),
        transact_time=datetime(2024, 4, 1, 12, tzinfo=UTC),
        price=draw(px) if ord_type in (OrdType.LIMIT, OrdType.STOP_LIMIT) else None,
        stop_px=draw(px) if ord_type in (OrdType.STOP, OrdType.STOP_LIMIT) else None,
        peg_offset_value=draw(px) if ord_type is OrdType.TRAILING_STOP else None,
        peg_offset_type=PegOffsetType.PRICE if ord_type is OrdType.TRAILING_STOP else None,
    )


def named(found: list[NewOrderSingle], prefix: str) -> list[NewOrderSingle]:
    return [replace(order, cl_ord_id=f"{prefix}{i}") for i, order in enumerate(found)]


states = st.builds(
    RiskState,
    equity=st.integers(-100, 5000).map(Decimal),
    cash=st.just(Decimal(0)),
    held=st.dictionaries(st.sampled_from(SYMBOLS), st.integers(-150, 150).map(Decimal)),
    marks=marks,
    working=st.lists(orders(), max_size=4).map(
        lambda found: tuple(Order(new_order=o, ord_status=OrdStatus.NEW) for o in named(found, "w"))
    ),
    orders_today=st.integers(0, 6),
    notional_today=st.integers(0, 5000).map(Decimal),
    multipliers=st.just(MULTIPLIERS),
    facts=st.just(FACTS),
)


class Count:
    """All limits counted anew from a plain list of orders, without any running sum."""

    def __init__(self, state: RiskState, working: list[NewOrderSingle]) -> None:
        self.state, self.working = state, working

    def unit_value(self, order: NewOrderSingle) -> Decimal:
        mark = self.state.marks[order.symbol]
        trails = order.peg_offset_value is not None and order.side is Side.BUY
        prices = [mark, order.price, order.stop_px, mark + order.peg_offset_value if trails else None]
        return max(px for px in prices if px is not None) * MULTIPLIERS.get(order.symbol, 1)

    def side_value(self, symbol: str, side: Side) -> Decimal:
        mark = self.state.marks[symbol] * MULTIPLIERS.get(symbol, 1)
        held = self.state.held.get(symbol, Decimal(0)) * (1 if side is Side.BUY else -1)
        mine = [o for o in self.working if (o.symbol, o.side) == (symbol, side)]
        filled = held + sum(o.order_qty for o in mine)
        if held >= 0:
            return held * mark + (filled - held) * max([mark, *map(self.unit_value, mine)])
        return max(filled, Decimal(0)) * max([mark, *map(self.unit_value, mine)])

    def gross(self, symbols=SYMBOLS) -> Decimal:
        return sum(max(self.side_value(s, Side.BUY), self.side_value(s, Side.SELL)) for s in symbols)

    def side_qty(self, symbol: str, side: Side) -> Decimal:
        held = self.state.held.get(symbol, Decimal(0)) * (1 if side is Side.BUY else -1)
        mine = sum((o.order_qty for o in self.working if (o.symbol, o.side) == (symbol, side)), Decimal(0))
        return held + mine

    def net(self, side: Side) -> Decimal:
        marks, total = self.state.marks, Decimal(0)
        for symbol in SYMBOLS:
            reach = self.side_qty(symbol, side)
            value = self.side_value(symbol, side)
            total += value if reach > 0 else reach * marks[symbol] * MULTIPLIERS.get(symbol, 1)
        return total

    def room(self, order: NewOrderSingle, limits: RiskLimits) -> bool:
        """Tell whether the limits that may be left out leave room for an order that adds."""
        equity, together = self.state.equity, {"A": ("A", "C"), "B": ("B",), "C": ("A", "C")}[order.symbol]
        sector = self.gross(("A", "B")) if limits.scopes and order.symbol != "C" else Decimal(0)
        return (
            (limits.short_sales_allowed or order.side is Side.BUY)
            and self.side_qty(order.symbol, order.side) <= (limits.max_position_qty or 10**9)
            and self.net(order.side) <= equity * (limits.max_net_leverage or 10**9)
            and self.gross(together) * 100 <= equity * (limits.max_cluster_pct or 10**9)
            and self.gross() / 2 * 100 <= equity * (limits.max_margin_pct or 10**9)
            and sector <= 2000
        )

    def fits(self, order: NewOrderSingle, limits: RiskLimits, value: Decimal, accepted: list[NewOrderSingle]) -> bool:
        """Tell whether the day's limits that may be left out let the order pass, given what was accepted before."""
        ordered = sum((o.order_qty for o in accepted if o.symbol == order.symbol), order.order_qty)
        turnover = limits.max_turnover_per_day_pct if self.state.equity > 0 else None
        slow = turnover is None or value * 100 <= self.state.equity * turnover
        return slow and ordered * 100 <= VOLUME * (limits.max_participation_pct or 10**9)


def assert_room_is_kept(before: Count, after: Count, limits: RiskLimits) -> None:
    for symbol in SYMBOLS:
        for side in Side:
            most = limits.max_position_qty or 10**9
            if side is Side.SELL and not limits.short_sales_allowed:
                most = 0
            assert after.side_qty(symbol, side) <= max(before.side_qty(symbol, side), most)
    if limits.max_cluster_pct is not None:
        most = before.state.equity * limits.max_cluster_pct / 100
        assert after.gross(("A", "C")) <= max(before.gross(("A", "C")), most)
    if limits.scopes:
        assert after.gross(("A", "B")) <= max(before.gross(("A", "B")), 2000)


@given(states, limits, st.lists(orders(), max_size=12).map(lambda found: named(found, "o")))
def test_what_the_gate_accepts_never_exceeds_a_limit(state, limits, asked):
    decisions = check_orders(asked, state, limits)

    accepted = [o for o, d in zip(asked, decisions, strict=True) if d.accepted]
    before = Count(state, [o.new_order for o in state.working])
    after = Count(state, [*before.working, *accepted])
    values = [after.unit_value(o) * o.order_qty for o in accepted]
    assert all(value <= limits.max_order_notional for value in values)
    if accepted:
        assert state.orders_today + len(accepted) <= limits.max_orders_per_day
        assert state.notional_today + sum(values) <= limits.max_notional_per_day
    for order in accepted:
        assert order.symbol not in limits.blocked_symbols
        mark = state.marks[order.symbol]
        for px in (order.price, order.stop_px):
            assert px is None or abs(px / mark - 1) <= limits.price_band_pct / 100
    for symbol in SYMBOLS:
        for side in Side:
            old, new = before.side_value(symbol, side), after.side_value(symbol, side)
            assert new <= max(old, limits.max_position_notional)
            assert new <= max(old, state.equity * limits.max_position_pct / 100)
    assert_room_is_kept(before, after, limits)
    for symbol in SYMBOLS if limits.max_participation_pct is not None else ():
        ordered = sum(o.order_qty for o in accepted if o.symbol == symbol)
        assert ordered * 100 <= VOLUME * limits.max_participation_pct
    power = state.equity * min(limits.max_gross_leverage, limits.buying_power_multiple)
    assert after.gross() <= max(before.gross(), power)


@given(states, limits, st.lists(orders(), max_size=12).map(lambda found: named(found, "o")))
def test_an_order_is_refused_only_when_accepting_it_would_exceed_a_limit(state, limits, asked):
    working, count, notional = [o.new_order for o in state.working], state.orders_today, state.notional_today
    passed: list[NewOrderSingle] = []

    for order, decision in zip(asked, check_orders(asked, state, limits), strict=True):
        before, after = Count(state, working), Count(state, [*working, order])
        value = after.unit_value(order) * order.order_qty
        new = after.side_value(order.symbol, order.side)
        mark = state.marks[order.symbol]
        fits = (
            order.symbol not in limits.blocked_symbols
            and value <= limits.max_order_notional
            and count + 1 <= limits.max_orders_per_day
            and notional + value <= limits.max_notional_per_day
            and after.fits(order, limits, notional + value, passed)
            and all(abs(px - mark) * 100 <= limits.price_band_pct * mark for px in (order.price, order.stop_px) if px)
        )
        room = (
            state.equity > 0
            and after.room(order, limits)
            and new <= limits.max_position_notional
            and new * 100 <= limits.max_position_pct * state.equity
            and after.gross() <= limits.max_gross_leverage * state.equity
            and after.gross() <= limits.buying_power_multiple * state.equity
        )
        only_closes = new == before.side_value(order.symbol, order.side)
        assert decision.accepted == (fits and (room or only_closes)), decision.text
        if decision.accepted:
            working, count, notional = [*working, order], count + 1, notional + value
            passed.append(order)
