"""A tripped breaker survives everything but its reset, and both are in the audit trail."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from adapters.sql.audit import first_broken_entry
from adapters.sql.breakers import SqlBreakers
from tests.adapters.sql.sql_desk import SqlLedger, a_decision
from tests.breaker_builders import NEXT, seen, sendings
from tests.builders import ACCOUNT, CLOSE, DECIDED, a_new_order, a_trade
from trading.errors import DeskHalted, InvalidValue
from trading.orders.orders import OrderPurpose, OrdType, Side
from trading.risk.breaker_changes import BreakerEvent
from trading.risk.breakers import BreakerKind, BreakerRules
from trading.risk.inputs import RiskInputs
from trading.risk.limits import RiskLimits
from trading.risk.restrictions import RestrictionKind, RiskScope

LOSS = seen(90, 100)
HALTED = "account DU100 is halted: breaker daily_loss of DU100: a loss of 10.00: 10.00 % of equity .* 5 trips it; "


def rules_with(name: str, **changes: object) -> BreakerRules:
    return replace(BreakerRules(), **{name: replace(getattr(BreakerRules(), name), **changes)})


def trip(ledger: SqlLedger, observation=LOSS, rules=None, now=DECIDED, next_session=NEXT):
    return ledger.breakers.rule(rules or BreakerRules(), observation, now, next_session)


def reset(ledger: SqlLedger, kind=BreakerKind.DAILY_LOSS, subject=None, actor="Ada", reason="seen", now=DECIDED):
    return ledger.breakers.reset(ACCOUNT, kind, subject, actor=actor, reason=reason, now=now)


def trail(ledger: SqlLedger) -> list[tuple[str, str]]:
    with ledger.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT actor, action FROM audit_entry ORDER BY seq").all()
    return [tuple(row) for row in rows]


def test_a_trip_is_recorded_with_its_audit_entry_and_its_alert_and_is_there_for_whoever_comes_next(ledger):
    (change,) = trip(ledger)

    assert SqlBreakers(ledger.engine).active(ACCOUNT, DECIDED) == (change,)
    assert trail(ledger) == [("breaker", "breaker tripped daily_loss of DU100")]
    (alert,) = ledger.outbox.due()
    assert alert.title == "Breaker daily_loss of account DU100 tripped: halt"
    assert trip(ledger) == ()  # looked at again, and told once
    assert ledger.count("breaker_change") == ledger.count("alert") == 1


def test_a_halting_breaker_lets_nothing_be_intended_marked_or_sent_until_it_is_reset(ledger):
    lease = ledger.lease()
    ledger.intend(lease, a_new_order())
    trip(ledger)

    for attempt in (
        lambda: ledger.intend(lease, a_new_order(cl_ord_id="t-2")),
        lambda: ledger.journal.mark_sending(lease, ["t-1"], DECIDED),
        lambda: ledger.journal.require_may_send(lease, DECIDED),
        lambda: ledger.breakers.require_none_halts(ACCOUNT, DECIDED),
    ):
        with pytest.raises(DeskHalted, match=HALTED + r".*`openbell reset daily_loss --account DU100 --reason TEXT`"):
            attempt()

    reset(ledger)
    ledger.journal.mark_sending(lease, ["t-1"], DECIDED)
    ledger.journal.require_may_send(lease, DECIDED)


ANSWERS = {  # to buy, to sell what is held, to protect it, to make a working order larger, to make it dearer
    RestrictionKind.REDUCE_SIZE: ["REDUCED to 5", "whole", "whole", "BREAKER_REDUCED", "BREAKER_REDUCED"],
    RestrictionKind.CLOSE_ONLY: ["BREAKER_CLOSE_ONLY", "whole", "whole", "BREAKER_CLOSE_ONLY", "BREAKER_CLOSE_ONLY"],
    RestrictionKind.BLOCK: ["BREAKER_BLOCKED"] * 5,
    RestrictionKind.HALT: ["halted"] * 5,
}
ON_ALL = [(scope, action) for scope in (RiskScope.ACCOUNT, RiskScope.DESK) for action in ANSWERS]
ON_SYMBOL = [(RiskScope.INSTRUMENT, action) for action in ANSWERS if action is not RestrictionKind.HALT]


@pytest.mark.parametrize(("scope", "action"), ON_ALL + ON_SYMBOL)
def test_what_a_breaker_forbids_no_order_and_no_change_passes_but_one_to_flatten(ledger, scope, action):
    lease = ledger.lease()
    ledger.sent(lease, a_new_order(price=Decimal(10), ord_type=OrdType.LIMIT))
    ledger.journal.record([a_trade(50, 10)])
    of_symbol = scope is RiskScope.INSTRUMENT
    name, seen_now = ("concentration", seen(100, values={"AAPL": Decimal(31)})) if of_symbol else ("daily_loss", LOSS)
    trip(ledger, seen_now, rules_with(name, scope=scope, action=action))

    def answer(ask) -> str:
        try:
            verdict = ask()
        except DeskHalted:
            return "halted"
        if not verdict.accepted:
            return str(verdict.code)
        return "whole" if verdict.granted_qty == verdict.asked_qty else f"REDUCED to {verdict.granted_qty}"

    def ordered(side: Side, purpose: OrderPurpose = OrderPurpose.REBALANCE) -> str:
        name = f"{side}-{purpose}"
        order = a_new_order(cl_ord_id=name, book=name, side=side, order_qty=Decimal(10), purpose=purpose)
        return answer(lambda: ledger.intend(lease, order, decision=a_decision(book=name))[0])

    def changed(number: int, **values: Decimal) -> str:
        request = ledger.journal.order("t-1").replace_request(number, DECIDED, **values)
        inputs = RiskInputs(limits=RiskLimits(), marks={"AAPL": Decimal(10)})
        return answer(lambda: ledger.journal.intend_replace(lease, request, inputs))

    assert ordered(Side.SELL, OrderPurpose.FLATTEN) == "whole"
    assert [
        ordered(Side.BUY),
        ordered(Side.SELL),
        ordered(Side.SELL, OrderPurpose.PROTECT),
        changed(1, order_qty=Decimal(120)),
        changed(2, price=Decimal("10.50")),
    ] == ANSWERS[action]


def test_one_that_ends_at_a_time_halts_until_then_and_no_longer(ledger):
    trip(ledger)

    with pytest.raises(DeskHalted, match=r"it ends by itself at 2024-03-19 13:00 UTC"):
        ledger.breakers.require_none_halts(ACCOUNT, NEXT - timedelta(microseconds=1))
    ledger.breakers.require_none_halts(ACCOUNT, NEXT)
    assert ledger.breakers.active(ACCOUNT, NEXT) == ()


def test_the_gate_is_told_what_is_restricted(ledger):
    trip(ledger, seen(100, 100, values={"AIG": Decimal(31)}, sendings=sendings(0, 4, at=DECIDED)))

    found = ledger.breakers.restrictions(ACCOUNT, DECIDED)

    assert [(r.scope, r.subject, r.kind, r.size_factor) for r in found] == [
        (RiskScope.ACCOUNT, ACCOUNT, RestrictionKind.REDUCE_SIZE, Decimal("0.5")),
        (RiskScope.INSTRUMENT, "AIG", RestrictionKind.CLOSE_ONLY, None),
    ]
    assert "`openbell reset concentration --subject AIG --account DU100 --reason TEXT`" in found[1].cause
    after_half_an_hour = ledger.breakers.restrictions(ACCOUNT, DECIDED + timedelta(minutes=30))
    assert [r.subject for r in after_half_an_hour] == ["AIG"]
    assert ledger.breakers.restrictions("DU200", DECIDED) == ()


def test_a_breaker_of_the_desk_halts_every_account(ledger):
    trip(ledger, rules=rules_with("daily_loss", scope=RiskScope.DESK))

    with pytest.raises(DeskHalted, match=r"desk is halted: breaker daily_loss of DU100"):
        ledger.breakers.require_none_halts("DU200", DECIDED)
    reset(ledger)
    ledger.breakers.require_none_halts("DU200", DECIDED)


def test_a_breaker_is_reset_once_by_name_and_reason(ledger):
    trip(ledger)

    reset(ledger, now=CLOSE)

    assert ledger.breakers.active(ACCOUNT, CLOSE) == ()
    assert trail(ledger)[-1] == ("Ada", "breaker reset daily_loss of DU100")
    with pytest.raises(InvalidValue, match=r"none is; it was reset by Ada at 2024-03-15 20:00 UTC: seen"):
        reset(ledger, actor="Grace")
    with pytest.raises(InvalidValue, match=r"breaker is 'concentration KO', but must be .* none is$"):
        reset(ledger, BreakerKind.CONCENTRATION, "KO")


def test_where_two_persons_are_wanted_it_holds_until_the_second_word(ledger):
    trip(ledger, rules=rules_with("daily_loss", two_persons=True))

    first = reset(ledger)

    assert first.event is BreakerEvent.RESET_REQUESTED
    with pytest.raises(DeskHalted):
        ledger.breakers.require_none_halts(ACCOUNT, DECIDED)
    with pytest.raises(InvalidValue, match="another than Ada"):
        reset(ledger)
    assert reset(ledger, actor="Grace", reason="I too").event is BreakerEvent.RESET
    assert ledger.breakers.active(ACCOUNT, DECIDED) == ()
    assert trail(ledger)[1:] == [
        ("Ada", "breaker reset_requested daily_loss of DU100"),
        ("Grace", "breaker reset daily_loss of DU100"),
    ]
    assert first_broken_entry(ledger.engine) is None


def test_what_was_reset_trips_anew_and_every_change_is_kept(ledger):
    trip(ledger)
    reset(ledger)

    trip(ledger, seen(80, 100), now=CLOSE)

    events = [(c.event, c.actor) for c in ledger.breakers.history(ACCOUNT) if c.kind is BreakerKind.DAILY_LOSS]
    assert events == [("tripped", "breaker"), ("reset", "Ada"), ("tripped", "breaker")]
    assert [c.changed_at for c in ledger.breakers.tripped() if c.kind is BreakerKind.DAILY_LOSS] == [CLOSE]


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE breaker_change SET event = 'reset' WHERE id = 3", 3),
        ("UPDATE breaker_change SET reason = 'a better one' WHERE id = 2", 2),
        ("DELETE FROM tripped_breaker", 3),
        ("INSERT INTO tripped_breaker VALUES ('DU100', 'drawdown', 'account', 'DU100', 1)", 4),
        ("INSERT INTO audit_entry SELECT 4, entered_at, actor, action, text, entry_hash, '' FROM audit_entry "
         "WHERE seq = 3", 4),
    ],
)  # fmt: skip
def test_a_breaker_that_was_lifted_behind_the_trail_is_found(ledger, statement, broken):
    trip(ledger)
    reset(ledger)
    trip(ledger, seen(85, 100))
    assert first_broken_entry(ledger.engine) is None

    ledger.tamper(statement)

    assert first_broken_entry(ledger.engine) == broken


def test_a_trip_that_was_removed_with_all_that_follows_from_it_is_found(ledger):
    trip(ledger)

    ledger.tamper("DELETE FROM tripped_breaker")
    ledger.tamper("DELETE FROM breaker_change")

    assert first_broken_entry(ledger.engine) == 1


def test_orders_that_went_out_are_seen_with_their_time(ledger):
    lease = ledger.lease()
    ledger.sent(lease, a_new_order(), a_new_order(cl_ord_id="t-2", symbol="IBM"))

    assert [(s.at, s.rejected) for s in ledger.breakers.sendings(ACCOUNT, a_new_order().session)] == [
        (DECIDED, False),
        (DECIDED, False),
    ]
