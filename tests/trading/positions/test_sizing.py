from dataclasses import replace
from decimal import ROUND_CEILING, Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.errors import InvalidValue
from trading.ledger import Target
from trading.market.instruments import Equity, Instrument
from trading.positions.sizing import SizingRules, price_of, prices_of, size_targets

D = Decimal
PLAIN = SizingRules(cash_buffer_pct=D(0), drift_band_pct=D(0), min_trade_notional=D(0))
EQUITY = D(10_000)


def an_equity(symbol: str = "A", **changes) -> Instrument:
    return Equity(symbol=symbol, mic="XNYS", **changes)


def sized(weights=(), held=(), prices=(), frozen=(), instruments=None, equity=EQUITY, rules=PLAIN):
    """Size with prices of 10.00 unless told otherwise, and return the targets by symbol."""
    weights, held = dict(weights), {s: D(qty) for s, qty in dict(held).items()}
    symbols = {*weights, *held}
    targets = size_targets(
        weights=weights,
        prices={s: D(10) for s in symbols} | {s: D(px) for s, px in dict(prices).items()},
        held=held,
        instruments=instruments or {s: an_equity(s) for s in symbols},
        equity=equity,
        rules=rules,
        frozen=dict(frozen),
    )
    return {target.symbol: target for target in targets}


def order_of(target: Target) -> tuple[Decimal, str]:
    return target.order_qty, target.reason


@pytest.mark.parametrize(
    ("close", "tick", "px"),
    [
        (10.126, "0.01", "10.13"),
        (10.125, "0.01", "10.12"),  # half to even
        (0.1 + 0.2, "0.01", "0.30"),  # 0.30000000000000004
        (1.234567, "0.00005", "1.23455"),
        (np.float64(101.5), "0.01", "101.50"),
        (np.float32(101.5), "0.25", "101.50"),
    ],
)
def test_a_close_becomes_a_price_on_the_tick_grid(close, tick, px):
    assert price_of(close, an_equity(tick_size=D(tick))) == D(px)


@pytest.mark.parametrize("close", [float("nan"), float("inf"), 0.0, -1.0, 0.004])
def test_a_close_that_is_no_price_is_refused(close):
    with pytest.raises(InvalidValue, match=r"close of A is .*, but must be finite and above 0 in steps of 0\.01"):
        price_of(close, an_equity())


def test_closes_without_price_or_instrument_are_left_out():
    prices = prices_of({"A": 10.126, "B": float("nan"), "STRANGER": 5.0}, {"A": an_equity("A"), "B": an_equity("B")})

    assert prices == {"A": D("10.13")}


def test_a_weight_becomes_whole_lots_rounded_toward_zero():
    # 10,000 × (100 − 2) % = 9,800; a third is 3,266.67, which is 326 shares at 10.00, and short the same.
    targets = sized({"A": 1 / 3, "B": -1 / 3}, rules=SizingRules())

    assert order_of(targets["A"]) == (D(326), "to target")
    assert order_of(targets["B"]) == (D(-326), "to target")


def test_lots_and_multipliers_are_respected():
    # 5,000 at 10.00 × 100 a contract is 5 contracts; 5,000 at 10.00 in lots of 300 is one lot.
    instruments = {"C": an_equity("C", multiplier=D(100)), "L": an_equity("L", lot_size=D(300))}

    targets = sized({"C": 0.5, "L": 0.5}, instruments=instruments)

    assert (targets["C"].order_qty, targets["L"].order_qty) == (5, 300)


def test_a_book_may_use_a_part_of_the_equity():
    # 10,000 × 50 % × 98 % = 4,900.
    assert sized({"A": 1.0}, rules=SizingRules(capital_pct=D(50)))["A"].order_qty == 490


@pytest.mark.parametrize(
    ("weight", "held", "order"),
    [
        (0.5, 500, (0, "at target")),
        (0.5, 496, (0, "within drift band")),  # 40 away, band 0.5 % of 10,000 = 50
        (0.5, 495, (0, "below minimum trade")),  # exactly 50 away, which is not within the band
        (0.5, 490, (10, "to target")),  # exactly the minimum of 100
        (0.5, 510, (-10, "to target")),
        (0.0, 3, (-3, "close out")),  # 30: closing needs no minimum
        (0.0, -3, (3, "close out")),
        (0.0, 0, (0, "at target")),
        (0.0, "0.5", (0, "less than one lot")),
        (0.0, "7.5", (-7, "close out")),
        (0.0005, 0, (0, "less than one lot")),  # 5.00 at 10.00 a share
        (-0.5, 500, (-1000, "to target")),
        (0.1, -900, (1000, "to target")),
    ],
)
def test_an_order_is_made_only_when_it_is_worth_making(weight, held, order):
    rules = SizingRules(cash_buffer_pct=D(0))

    target = sized({"A": weight}, held={"A": held}, rules=rules)["A"]

    assert order_of(target) == order


def test_a_held_symbol_without_a_weight_is_closed():
    targets = sized({"A": 0.1}, held={"OLD": 40})

    assert list(targets) == ["A", "OLD"]
    assert (targets["OLD"].weight, order_of(targets["OLD"])) == (0.0, (D(-40), "close out"))


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({"frozen": {"A": "quarantined: 5 sessions missing"}}, "quarantined: 5 sessions missing"),
        ({"prices": {"A": 0}}, "no price"),
        ({"instruments": {"X": an_equity("X")}}, "no instrument"),
        ({"instruments": {"A": an_equity(currency="EUR")}}, "quoted in EUR, not in USD"),
    ],
)
def test_what_cannot_be_traded_is_kept_with_the_reason(case, reason):
    target = sized({"A": 0.5}, held={"A": 100}, **case)["A"]

    assert (target.target_qty, order_of(target)) == (100, (0, reason))


def test_a_symbol_that_was_never_priced_has_no_reference_price():
    targets = size_targets(
        weights={"A": 1.0},
        prices={},
        held={},
        instruments={"A": an_equity()},
        equity=D(1000),
        rules=PLAIN,
        frozen={},
    )

    assert (targets[0].reference_px, order_of(targets[0])) == (None, (0, "no price"))


def test_a_contract_that_is_held_keeps_the_room_of_its_hundred_units():
    call = "AAPL  240621C00200000"

    # 10,000, of which 10 contracts at 4.00 are 4,000: 3,000 are left for each.
    shares = {s: an_equity(s) for s in "AB"}
    targets = sized({"A": 0.5, "B": 0.5}, held={call: 10}, prices={call: 4}, instruments=shares)

    assert [targets[s].target_qty for s in "AB"] == [300, 300]
    assert order_of(targets[call]) == (0, "no instrument")


def test_frozen_positions_keep_their_room_and_the_others_share_the_rest():
    # The example in the docstring: 10,000, of which 4,000 are frozen in C.
    full = sized({"A": 0.5, "B": 0.5}, held={"C": 400}, frozen={"C": "halted"})
    fitting = sized({"A": 0.3, "B": 0.3}, held={"C": 400}, frozen={"C": "halted"})

    assert [full[s].target_qty for s in "ABC"] == [300, 300, 400]
    assert [fitting[s].target_qty for s in "ABC"] == [300, 300, 400]


def test_shrinking_loses_no_share_to_rounding():
    # 6,000 of room in the proportion 0.35 to 0.35 is 3,000 each, although 6,000 / 0.7 has no end.
    targets = sized({"A": 0.35, "B": 0.35}, held={"C": 400}, frozen={"C": "halted"})

    assert [targets[s].target_qty for s in "AB"] == [300, 300]


def test_a_quarantine_at_its_weight_moves_no_other_position():
    held = dict.fromkeys("ABCD", 250)

    targets = sized(dict.fromkeys("ABCD", 0.25), held=held, frozen={"D": "quarantined: stale"})

    assert [target.order_qty for target in targets.values()] == [0, 0, 0, 0]


def test_nothing_is_bought_when_frozen_positions_fill_the_book():
    targets = sized({"A": 1.0}, held={"A": 10, "C": 1200}, frozen={"C": "halted"})

    assert order_of(targets["A"]) == (D(-10), "close out")


def test_the_drift_band_gives_way_where_it_would_overdraw_the_book():
    # Ten positions 0.4 % over their 9 % each, and a new one at 10 %: 94 % + 10 % would be more than there is.
    old = [f"OLD{i}" for i in range(10)]
    rules = SizingRules(cash_buffer_pct=D(0))

    targets = sized(dict.fromkeys(old, 0.09) | {"NEW": 0.1}, held=dict.fromkeys(old, 94), rules=rules)

    assert {targets[s].order_qty for s in old} == {-4}
    assert targets["NEW"].order_qty == 100


def test_the_drift_band_holds_where_the_cash_buffer_can_bear_it():
    # 98 % wanted, 98.4 % held: nothing to do.
    targets = sized({"A": 0.5, "B": 0.5}, held={"A": 492, "B": 492}, rules=SizingRules())

    assert {target.reason for target in targets.values()} == {"within drift band"}


@pytest.mark.parametrize("equity", [D(0), D(-5), D("NaN")])
def test_a_book_without_equity_is_not_sized(equity):
    with pytest.raises(InvalidValue, match=r"equity is .*, but must be greater than 0"):
        sized({"A": 1.0}, equity=equity)


def test_the_surrounding_decimal_context_changes_nothing():
    expected = sized({"A": 1 / 3, "B": 2 / 3}, equity=D("9999.99"))
    with localcontext() as context:
        context.prec, context.rounding = 9, ROUND_CEILING

        assert sized({"A": 1 / 3, "B": 2 / 3}, equity=D("9999.99")) == expected


SYMBOLS = "ABCDEFGH"
books = st.fixed_dictionaries(
    {
        "weights": st.dictionaries(st.sampled_from(SYMBOLS), st.floats(-0.4, 0.4), max_size=8),
        "held": st.dictionaries(st.sampled_from(SYMBOLS), st.integers(-40, 40), max_size=8),
        "prices": st.fixed_dictionaries({s: st.decimals("0.01", "500", places=2) for s in SYMBOLS}),
        "frozen": st.dictionaries(st.sampled_from(SYMBOLS), st.just("halted"), max_size=3),
        "equity": st.decimals("100", "1000000", places=2),
        "rules": st.builds(
            SizingRules,
            capital_pct=st.decimals("1", "100", places=1),
            cash_buffer_pct=st.decimals("0", "50", places=1),
            drift_band_pct=st.decimals("0", "5", places=1),
            min_trade_notional=st.decimals("0", "1000", places=0),
        ),
    }
)
LOTS = {s: an_equity(s, lot_size=D(5) if s in "AB" else D(1)) for s in SYMBOLS}


def in_lots(book):
    """Return the book with quantities that are whole lots."""
    return book | {"held": {s: qty * LOTS[s].lot_size for s, qty in book["held"].items()}, "instruments": LOTS}


@given(books.map(in_lots))
def test_orders_are_whole_lots_and_never_in_a_frozen_symbol(book):
    targets = sized(**book)

    assert sorted(targets) == list(targets) == sorted({*book["weights"], *book["held"]})
    for symbol, target in targets.items():
        assert target.order_qty % LOTS[symbol].lot_size == 0
        assert target.reason
        if symbol in book["frozen"]:
            assert order_of(target) == (0, "halted")


@given(books.map(in_lots))
def test_a_sized_book_never_holds_more_than_its_capital(book):
    targets = sized(**book)

    def value(qty_of, which=targets):
        return sum(abs(qty_of(t)) * book["prices"][s] for s, t in which.items())

    after = value(lambda t: t.held_qty + t.order_qty)
    frozen = value(lambda t: t.held_qty, {s: t for s, t in targets.items() if s in book["frozen"]})
    gross = max(D(1), sum((D(repr(abs(w))) for w in book["weights"].values()), D(0)))
    capital = book["equity"] * book["rules"].capital_pct / 100
    assert after <= max(capital * gross, frozen) * (1 + D("1e-20"))


@given(books.map(in_lots))
def test_sizing_again_from_what_was_sized_orders_nothing(book):
    targets = sized(**book)

    for held in (lambda t: t.held_qty + t.order_qty, lambda t: t.target_qty):
        again = sized(**book | {"held": {s: held(t) for s, t in targets.items()}})

        assert {t.order_qty for t in again.values()} <= {D(0)}


@given(books.map(in_lots))
def test_a_target_never_goes_beyond_its_weight(book):
    base = book["equity"] * book["rules"].capital_pct * (100 - book["rules"].cash_buffer_pct) / 10_000

    for symbol, target in sized(**book).items():
        if symbol not in book["frozen"]:
            wanted = D(repr(target.weight)) * base
            assert abs(target.target_qty) * book["prices"][symbol] <= abs(wanted) * (1 + D("1e-20"))
            assert target.target_qty * wanted >= 0


def test_a_target_carries_what_it_was_sized_from():
    target = sized({"A": 0.5}, held={"A": 100})["A"]

    assert target == Target(
        symbol="A",
        weight=0.5,
        reference_px=D(10),
        held_qty=D(100),
        target_qty=D(500),
        order_qty=D(400),
        reason="to target",
    )
    assert replace(target, order_qty=D(0)) != target
