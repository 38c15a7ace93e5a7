"""What the client libraries take for an order's end, and is none; one test each."""

from decimal import Decimal
from pathlib import Path

import pytest

from adapters.ib.error_codes import ERROR_CODES, ErrorClass, classify
from ib_gateway.scenarios import Action, Fault, Scenario
from tests.adapters.ib.ib_desk import LONG_AGO, Desk, a_replace, an_order, folded
from trading.errors import OutcomeUnknown
from trading.orders.executions import ExecType
from trading.orders.orders import OrdStatus, OrdType, Side, TimeInForce

# Codes for which one library or the other calls a live order dead or invalid.
FALSE_ENDS = (100, 103, 104, 161, 163, 200, 201, 202, 382, 387, 10147, 10148, 10311, 10318, 10349)
FALSE_ENDS += (105, 110, 321, 329, 399, 404, 434, 2102, 2109, 2161)


def say(desk: Desk, code: int, text: str = "as the libraries take it", cl_ord_id: str = "o-1") -> None:
    desk.gateway.teller.owner(desk.gateway.order(cl_ord_id), code, text)


@pytest.mark.parametrize("code", FALSE_ENDS)
async def test_an_error_message_alone_never_ends_a_live_order(desk: Desk, code: int):
    """15 orders "canceled" by 10349 were all filled. Also ib_async #191 and #217.

    https://github.com/pst-group/pysystemtrade/issues/1580
    """
    broker = desk.broker()
    await broker.submit(an_order())

    say(desk, code)
    still_open = folded(an_order(), await broker.reports_since(LONG_AGO))
    desk.gateway.fill("o-1")
    filled = folded(an_order(), await broker.reports_since(LONG_AGO))

    assert still_open.ord_status is OrdStatus.NEW
    assert filled.ord_status is OrdStatus.FILLED
    assert filled.contradictions == ()


async def test_an_order_called_dead_can_still_be_changed(desk: Desk):
    """The libraries raise AssertionError after the change was sent.

    https://github.com/erdewit/ib_insync/issues/502
    """
    broker = desk.broker()
    await broker.submit(an_order())
    say(desk, 10349, "Order TIF was set to DAY based on order preset.")

    reports = await broker.replace(a_replace(price=Decimal(151)))

    assert reports[-1].price == 151


async def test_a_refused_change_leaves_the_order_working_as_it_was(desk: Desk):
    """A failed modification is told as a canceled order.

    https://github.com/erdewit/ib_insync/issues/502
    """
    broker = desk.broker()
    await broker.submit(an_order())
    desk.gateway.faults.add(Fault(on="placeOrder", do=Action.REJECT, code=201, text="no margin", times=1))

    reports = await broker.replace(a_replace(qty=100_000, price=Decimal(151)))

    assert [r.exec_type for r in reports] == [ExecType.NEW]
    assert (await broker.statement()).working == ("o-1",)


async def test_a_time_in_force_is_always_said_so_that_no_preset_fills_it_in(desk: Desk):
    """10349 comes when TWS fills it in.

    https://github.com/ib-api-reloaded/ib_async/issues/191
    """
    for kind in TimeInForce:
        if kind is not TimeInForce.GTD:
            await desk.broker().submit(an_order(f"o-{kind}", qty=1 + len(kind.name), time_in_force=kind))

    assert all(order.fields.get("tif") for order in desk.gateway.accepted)


async def test_a_price_off_the_grid_is_rejected_and_does_not_hang(tmp_path: Path):
    """ib_insync leaves such an order PendingSubmit for ever, since 110 is a warning to it (wrapper.py, `error`).

    https://interactivebrokers.github.io/tws-api/minimum_increment.html
    """
    fault = Fault(on="placeOrder", do=Action.REJECT, code=110, text="The price does not conform")
    async with Desk(tmp_path, Scenario(faults=(fault,))) as desk:
        [report] = await desk.broker().submit(an_order())

    assert (report.ord_status, report.text) == (OrdStatus.REJECTED, "110: The price does not conform")


async def test_a_warning_that_an_order_waits_for_the_open_is_not_its_end(tmp_path: Path):
    """399 "will not be placed at the exchange until": ib_async sets ValidationError.

    https://interactivebrokers.github.io/tws-api/message_codes.html
    """
    async with Desk(tmp_path, session="regular_hours") as desk:
        desk.clock.at = desk.clock.at.replace(hour=5)
        broker = desk.broker()

        reports = await broker.submit(an_order())

        assert 399 in [int(m.fields[2]) for m in desk.gateway.wire_log if m.name == "error" and m.way == "out"]
        assert [r.exec_type for r in reports] == [ExecType.NEW]


async def test_short_shares_that_are_being_located_hold_the_order_and_do_not_end_it(desk: Desk):
    """404 is text for the order's life, and the order trades once shares are found.

    https://github.com/QuantConnect/Lean/pull/1026
    """
    broker = desk.broker()
    await broker.submit(an_order(side=Side.SELL, price=Decimal(250)))

    say(desk, 404, "Order held while securities are located.")
    desk.gateway.fill("o-1")

    assert (await broker.reports_since(LONG_AGO))[-1].ord_status is OrdStatus.FILLED


async def test_a_code_that_nobody_knows_proves_nothing(tmp_path: Path):
    """New codes come with every build; the libraries take each for the end of the order.

    https://github.com/ib-api-reloaded/ib_async/issues/217
    """
    fault = Fault(on="placeOrder", do=Action.REJECT, code=19_999, text="something new")
    async with Desk(tmp_path, Scenario(faults=(fault,))) as desk:
        with pytest.raises(OutcomeUnknown, match="19999: something new"):
            await desk.broker().submit(an_order())

        told = desk.broker(error_codes={19_999: ErrorClass.FINAL_REJECT})
        assert await told.find("o-1") == ()


async def test_the_settings_may_say_what_a_new_code_means(tmp_path: Path):
    """New codes come with every build.

    https://github.com/ib-api-reloaded/ib_async/issues/217
    """
    fault = Fault(on="placeOrder", do=Action.REJECT, code=19_999, text="something new")
    async with Desk(tmp_path, Scenario(faults=(fault,))) as desk:
        [report] = await desk.broker(error_codes={19_999: ErrorClass.FINAL_REJECT}).submit(an_order())

    assert report.ord_status is OrdStatus.REJECTED


def test_every_class_has_codes_and_an_unknown_code_is_unknown():
    assert {meaning.error_class for meaning in ERROR_CODES.values()} == set(ErrorClass)
    assert classify(424_242, {}) is ErrorClass.UNKNOWN
    assert classify(201, {201: ErrorClass.WARNING}) is ErrorClass.WARNING


async def test_an_order_that_the_exchange_rejects_after_all_is_rejected_with_the_reason(desk: Desk):
    """Inactive is how IB calls it, which also means held; only the code tells.

    https://interactivebrokers.github.io/tws-api/message_codes.html
    """
    broker = desk.broker()
    await broker.submit(an_order())

    desk.gateway.cancel("o-1", "exchange closed", code=201)
    desk.gateway.say(399, "later")
    reports = await broker.find("o-1")

    assert not folded(an_order(), reports).ord_status.is_open


async def test_a_stop_that_is_not_yet_triggered_works(desk: Desk):
    """PreSubmitted is what IB calls a stop that it simulates; it may fill at any time.

    https://interactivebrokers.github.io/tws-api/order_submission.html
    """
    reports = await desk.broker().submit(
        an_order(side=Side.SELL, ord_type=OrdType.STOP, stop_px=Decimal(150), price=None)
    )

    assert [r.ord_status for r in reports] == [OrdStatus.NEW]
