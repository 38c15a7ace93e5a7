from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from tests.builders import ACCOUNT, CLOSE, DECIDED, SESSION, an_order
from trading.market.instruments import Equity, Instrument
from trading.orders.order_types import ContingencyType, PegOffsetType
from trading.orders.orders import Order, OrderPurpose, OrdStatus, OrdType, Side, TimeInForce
from trading.orders.protection import Distance, DistanceUnit, HeldBy, Protection, ProtectionRules, protect_positions
from trading.orders.protective_orders import Placing, change_protection, traded_otherwise
from trading.positions.books import Lot, Position

D = Decimal
PERCENT, ATR, AMOUNT = DistanceUnit.PERCENT, DistanceUnit.ATR, DistanceUnit.AMOUNT
AAPL = Equity(symbol="AAPL", mic="XNYS")


def away(unit: DistanceUnit, value: str) -> Distance:
    return Distance(unit=unit, value=D(value))


def held(*lots: tuple[int | str, str]) -> Position:
    opened = datetime(2024, 3, 1, tzinfo=UTC)
    return Position(symbol="AAPL", lots=tuple(Lot(qty=D(qty), px=D(px), opened_at=opened) for qty, px in lots))


def protected(
    position: Position,
    rules: ProtectionRules,
    *,
    last: str = "100",
    atr: str | None = None,
    instrument: Instrument = AAPL,
) -> Protection:
    ((protection,), _) = protect_positions(
        {"AAPL": position},
        rules,
        instruments={"AAPL": instrument},
        last_prices={"AAPL": D(last)},
        atrs={"AAPL": D(atr)} if atr else {},
    )
    return protection


@pytest.mark.parametrize(
    ("lots", "unit", "value", "stop", "profit"),
    [
        ([(100, "15.58")], PERCENT, "8", "14.34", "16.83"),  # 14.3336 and 16.8264: up, as the position is long
        ([(-100, "15.58")], PERCENT, "8", "16.82", "14.33"),  # down, as it is short
        ([(100, "90"), (50, "120")], PERCENT, "10", "90.00", "110.00"),  # (9,000 + 6,000) / 150 = 100
        ([(100, "100")], ATR, "3", "96.45", "103.56"),  # 3 x 1.18337 = 3.55011
        ([(300, "100")], AMOUNT, "1000", "96.67", "103.34"),  # 1,000 / 300 = 3.3333 a share
        ([(-300, "100")], AMOUNT, "1000", "103.33", "96.66"),
    ],
)
def test_prices_are_so_far_from_the_average_cost(
    lots: list[tuple[int, str]], unit: DistanceUnit, value: str, stop: str, profit: str
):
    rules = ProtectionRules(stop_loss=away(unit, value), take_profit=away(unit, value))

    protection = protected(held(*lots), rules, atr="1.18337")

    assert (protection.stop_px, protection.profit_px, protection.faults) == (D(stop), D(profit), ())


def test_whole_lots_are_protected_and_the_amount_counts_for_all_that_is_held():
    lots_of_ten = Equity(symbol="AAPL", mic="XNYS", lot_size=D(10), multiplier=D(2))

    protection = protected(held((25, "100")), ProtectionRules(stop_loss=away(AMOUNT, "50")), instrument=lots_of_ten)

    assert (protection.qty, protection.stop_px) == (D(20), D("99.00"))  # 50 / (25 x 2) = 1


@pytest.mark.parametrize(
    ("lots", "last", "passed"),
    [
        ([(100, "100")], "92.01", None),
        ([(100, "100")], "92.00", "its stop 92"),
        ([(100, "100")], "120.00", "its profit 120"),
        ([(-100, "100")], "107.99", None),
        ([(-100, "100")], "108.00", "its stop 108"),
        ([(-100, "100")], "80.00", "its profit 80"),
    ],
)
def test_a_price_that_was_reached_before_the_order_is_placed_is_known(
    lots: list[tuple[int, str]], last: str, passed: str | None
):
    rules = ProtectionRules(stop_loss=away(PERCENT, "8"), take_profit=away(PERCENT, "20"))

    assert protected(held(*lots), rules, last=last).passed == passed


def test_what_cannot_be_protected_says_why():
    rules = ProtectionRules(stop_loss=away(AMOUNT, "20000"), take_profit=away(ATR, "2"))
    sap = Equity(symbol="SAP", mic="XETR", currency="EUR")
    symbols = ("AAPL", "GONE", "SAP", "MSFT", "KO")

    protections, without = protect_positions(
        dict.fromkeys(symbols, held((100, "100"))) | {"KO": held(("0.5", "60"))},
        rules,
        instruments={s: Equity(symbol=s, mic="XNYS") for s in ("AAPL", "MSFT", "KO")} | {"SAP": sap},
        last_prices={"AAPL": D(100), "SAP": D(100), "GONE": D(1), "KO": D(60)},
        atrs={},
    )

    (apple,) = protections
    assert apple.faults == (
        "AAPL has no stop 20000 amount from 100: -100 is no price",
        "AAPL has no profit 2 atr from 100: there are too few bars with high and low",
    )
    assert without == {
        "GONE": "GONE is no instrument of the bar source",
        "KO": "KO: 0.5 is less than one lot of 1",
        "MSFT": "MSFT has no last price",
        "SAP": "SAP is quoted in EUR, not in USD",
    }


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"stop_loss": {"unit": "percent", "value": 0.08}}, "8 is 8 %"),
        ({"stop_loss": {"unit": "percent", "value": 100}}, "8 is 8 %"),
        ({"stop_loss": {"unit": "percent", "value": -8}}, "greater than 0"),
        ({"stop_loss": {"unit": "percent", "value": "NaN"}}, "finite"),
        ({"stop_loss": {"unit": "percent"}}, "value"),
        ({"stop_loss": {"unit": "ticks", "value": 8}}, "'percent', 'atr' or 'amount'"),
        ({"take_profit": {"unit": "atr", "value": 2}, "trailing": True}, "stop_loss in percent"),
        ({"stop_loss": {"unit": "percent", "value": 8}, "trailing": True, "held_by": "desk"}, "held_by broker"),
        ({"stoploss": None}, "stoploss"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(fields: dict[str, Any], rule: str):
    with pytest.raises(ValidationError, match=rule):
        ProtectionRules(**fields)


# -- the orders

RULES = ProtectionRules(stop_loss=away(PERCENT, "8"), take_profit=away(PERCENT, "20"))
PLACING = Placing(
    account=ACCOUNT,
    decided_in=SESSION,
    session=SESSION,
    book="main",
    number=1,
    expire_time=CLOSE,
    transact_time=DECIDED,
)


def test_a_pair_is_good_till_canceled_and_one_order_of_it_cancels_the_other():
    stop, profit = PLACING.resting(protected(held((-100, "100")), RULES))

    assert (stop.side, stop.ord_type, stop.stop_px) == (Side.BUY, OrdType.STOP, D(108))
    assert (profit.side, profit.ord_type, profit.price) == (Side.BUY, OrdType.LIMIT, D(80))
    assert {o.order_qty for o in (stop, profit)} == {D(100)}
    assert {(o.time_in_force, o.contingency_type, o.purpose) for o in (stop, profit)} == {
        (TimeInForce.GTC, ContingencyType.OCO, OrderPurpose.PROTECT)
    }
    assert stop.list_id == profit.list_id is not None


def test_one_price_is_one_order_without_a_list_and_a_stop_may_trail():
    rules = ProtectionRules(stop_loss=away(PERCENT, "8"), trailing=True)

    (stop,) = PLACING.resting(protected(held((100, "100")), rules))

    assert (stop.ord_type, stop.peg_offset_value, stop.peg_offset_type) == (
        OrdType.TRAILING_STOP,
        D(8),
        PegOffsetType.PERCENT,
    )
    assert (stop.list_id, stop.side) == (None, Side.SELL)


def resting(lots: int = 100, **fields: Any) -> list[Order]:
    news = PLACING.resting(protected(held((lots, "100")), RULES))
    return [an_order(new_order=new, order_id="b", **fields) for new in news]


@pytest.mark.parametrize(
    ("orders", "held_now", "words"),
    [
        ([], 100, "place"),
        (resting(), 100, ""),
        (resting(), 50, "cancel cancel place"),
        (resting(), 0, "cancel cancel"),
        (resting()[:1], 100, "cancel place"),  # its other half is gone
        (resting() + resting(), 100, "cancel cancel cancel cancel place"),
        (resting(may_be_sent=True), 100, "send send"),
        (resting(may_be_sent=True), 50, "abandon abandon place"),
        ([*resting(may_be_sent=True)[:1], *resting()[1:]], 100, "cancel abandon place"),  # half of it was sent
        (resting(ord_status=OrdStatus.UNKNOWN), 50, "alone"),
        (resting(ord_status=OrdStatus.PARTIALLY_FILLED, cum_qty=D(40))[:1], 60, "alone"),  # the stop is at work
        (
            resting(ord_status=OrdStatus.PARTIALLY_FILLED, cum_qty=D(40))[1:],
            60,
            "cancel place",
        ),  # and here there is none
    ],
)
def test_what_must_change_for_a_position_to_be_protected(orders: list[Order], held_now: int, words: str):
    wanted = [protected(held((held_now, "100")), RULES)] if held_now else []

    change = change_protection(wanted, orders, {})

    done = {name: len(getattr(change, name)) for name in ("cancel", "abandon", "send", "place")}
    said = [name for name, count in done.items() for _ in range(count)] + ["alone"] * len(change.left_alone)
    assert " ".join(said) == words


def test_while_a_price_cannot_be_told_what_rests_goes_on():
    blind = protected(held((50, "100")), ProtectionRules(stop_loss=away(ATR, "3"), held_by=HeldBy.BROKER))

    change = change_protection([blind], resting(), {})

    assert (change.cancel, change.place, list(change.left_alone)) == ((), (), ["AAPL"])


def test_a_pair_placed_anew_has_new_ids_and_the_same_placing_the_same():
    wanted = protected(held((100, "100")), RULES)
    again = Placing(
        account=ACCOUNT,
        decided_in=SESSION,
        session=date(2024, 3, 18),
        book="main",
        number=2,
        expire_time=CLOSE,
        transact_time=DECIDED,
    )

    ids = [[o.cl_ord_id for o in placing.resting(wanted)] for placing in (PLACING, PLACING, again)]

    assert ids[0] == ids[1]
    assert len({*ids[0], *ids[2]}) == 4


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (an_order(side=Side.SELL, book="main"), "order t-1 is closing it"),
        (an_order(side=Side.BUY, book="main"), None),  # it adds
        (an_order(side=Side.SELL, book="other"), None),
        (an_order(side=Side.SELL, book="main", purpose=OrderPurpose.PROTECT), None),
        (an_order(side=Side.BUY, book="other", ord_status=OrdStatus.UNKNOWN), "order t-1 is UNKNOWN"),
        (an_order(side=Side.SELL, book="main", symbol="MSFT"), None),
    ],
)
def test_what_another_order_closes_or_may_have_traded_is_left_alone(order: Order, why: str | None) -> None:
    long = Protection(symbol="AAPL", qty=D(10), basis_px=D(90), last_px=D(100))

    assert traded_otherwise([order], [long], "main") == ({} if why is None else {"AAPL": why})
    assert traded_otherwise([replace(order, may_be_sent=True)], [long], "main") == {}  # it never went out
