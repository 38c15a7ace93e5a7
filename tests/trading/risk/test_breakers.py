"""Breakers trip at their threshold, stay until their rule lets them out, and say why."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from tests.breaker_builders import BEFORE, NEXT, a_valuation, ruled, seen, sendings
from tests.builders import ACCOUNT, CLOSE, SESSION, at
from trading.errors import InvalidValue
from trading.risk.breaker_changes import BreakerChange, BreakerEvent, trip_alert
from trading.risk.breaker_rulings import RESET_HOLDS, reset_by
from trading.risk.breakers import BreakerKind, BreakerRules, LossRule, ResetRule
from trading.risk.equity_curve import CashFlow
from trading.risk.observations import FillCost
from trading.risk.restrictions import RestrictionKind, RiskScope

DAY = timedelta(days=1)
NAN = Decimal("NaN")
FORM = TypeAdapter(BreakerRules)


def the_only(changes: tuple[BreakerChange, ...]) -> BreakerChange:
    (change,) = changes
    return change


def with_rule(name: str, **changes: object) -> BreakerRules:
    return replace(BreakerRules(), **{name: replace(getattr(BreakerRules(), name), **changes)})


def tripped(**fields: object) -> BreakerChange:
    """Return a daily loss of 10 % that has just tripped."""
    return replace(the_only(ruled(seen(90, 100))), **fields)


class TestTripping:
    # AIG closed at 12.14 on 2008-09-12 and at 4.76 on 2008-09-15: (12.14 - 4.76) / 12.14 = 0.607908.
    @pytest.mark.parametrize(
        ("observation", "wanted"),
        [
            (seen(9_501, 10_000), []),
            (seen(9_500, 10_000), [("daily_loss", "5.0000", RestrictionKind.HALT)]),
            (seen("4.76", "12.14"), [("daily_loss", "60.7908", RestrictionKind.HALT),
                                     ("drawdown", "60.7908", RestrictionKind.HALT)]),
            (seen(10_100, 10_000), []),
            (seen(sendings=sendings(16, 4)), [("rejection_rate", "20.0000", RestrictionKind.REDUCE_SIZE)]),
            (seen(sendings=sendings(17, 3)), []),
            (seen(sendings=sendings(0, 3)), []),
            (seen(sendings=sendings(0, 4)), [("rejection_rate", "20.0000", RestrictionKind.REDUCE_SIZE)]),
            (seen(sendings=sendings(0, 4)[:4] + sendings(20, 0)), []),
            (seen(100, values={"AIG": Decimal(30)}), [("concentration", "30.0000", RestrictionKind.CLOSE_ONLY)]),
            (seen(100, values={"AIG": Decimal(-30)}), [("concentration", "30.0000", RestrictionKind.CLOSE_ONLY)]),
            (seen(100, values={"AIG": Decimal("29.9")}), []),
            (seen(sessions_behind=1), []),
            (seen(sessions_behind=2), [("stale_data", "2.0000", RestrictionKind.CLOSE_ONLY)]),
            (seen(reachable=True), []),
            (seen(reachable=False), [("broker_disconnected", "1.0000", RestrictionKind.HALT)]),
            (seen(1000, worst_break=Decimal("9.99")), []),
            (seen(1000, worst_break=Decimal(10)), [("reconciliation_break", "1.0000", RestrictionKind.CLOSE_ONLY)]),
            (seen(disagreeing=Decimal("0.2")), [("provider_disagreement", "20.0000", RestrictionKind.CLOSE_ONLY)]),
            (seen(disagreeing=Decimal("0.19")), []),
            (seen(fills=[FillCost(at=CLOSE, value=Decimal(1000), cost=Decimal(5))]),
             [("slippage", "50.0000", RestrictionKind.REDUCE_SIZE)]),
            (seen(fills=[FillCost(at=CLOSE, value=Decimal(1000), cost=Decimal(5)),
                         FillCost(at=CLOSE, value=Decimal(1000), cost=Decimal(-1))]), []),
            (seen(), []),
        ],
    )  # fmt: skip
    def test_a_breaker_trips_at_its_threshold_and_not_before(self, observation, wanted):
        changes = ruled(observation)

        assert [(c.kind, str(c.value), c.action) for c in changes] == wanted
        assert all((c.event, c.actor, c.changed_at) == (BreakerEvent.TRIPPED, "breaker", CLOSE) for c in changes)

    def test_the_market_is_too_wild_by_the_deviation_that_numpy_finds(self):
        returns = [0.04 * (-1) ** n + 0.001 * n for n in range(25)]

        change = the_only(ruled(seen(market_returns=returns)))

        by_numpy = np.std(returns[-20:], ddof=1) * np.sqrt(252) * 100
        assert float(change.value) == pytest.approx(by_numpy, abs=1e-3)
        assert change.size_factor == Decimal("0.5")
        assert ruled(seen(market_returns=returns[:19])) == ()  # too few to say anything

    def test_orders_within_a_minute_count_for_the_order_rate(self):
        rules = with_rule("order_rate", threshold=Decimal(60))
        quick, older = sendings(60, 0), sendings(61, 0)[:1]

        assert the_only(ruled(seen(sendings=quick), rules=rules)).kind is BreakerKind.ORDER_RATE
        assert ruled(seen(sendings=[*older, *quick[1:]]), rules=rules) == ()

    def test_cash_that_a_person_takes_out_is_no_loss(self):
        taken = CashFlow(at=at(0), amount=Decimal(-50))

        assert ruled(seen(50, 100, flows=[taken])) == ()
        assert the_only(ruled(seen(45, 100, flows=[taken]))).value == 10  # 5 of the 50 that were left

    def test_an_amount_trips_where_the_share_does_not(self):
        rules = with_rule("daily_loss", amount=Decimal(2_000))

        assert ruled(seen(98_001, 100_000), rules=rules) == ()
        assert "a loss of 2,000.00" in the_only(ruled(seen(98_000, 100_000), rules=rules)).cause

    def test_a_drawdown_is_measured_from_the_highest_close(self):
        days = [date(2024, 3, 11), date(2024, 3, 12), date(2024, 3, 13), BEFORE]
        worth = [a_valuation(equity, day) for equity, day in zip((90, 120, 110, 99), days, strict=True)]

        change = the_only(ruled(seen(96, valuations=worth)))

        assert (change.kind, change.value) == (BreakerKind.DRAWDOWN, 20)  # (120 - 96) / 120
        assert change.reset_rule is ResetRule.PERSON

    def test_cash_taken_out_after_a_loss_makes_the_drawdown_no_larger(self):
        worth = [a_valuation(120, date(2024, 3, 13)), a_valuation(100, BEFORE)]
        taken = CashFlow(at=at(0), amount=Decimal(-60))

        assert ruled(seen(40, valuations=worth, flows=[taken])) == ()  # a sixth, not (60 - 40) / 60
        assert the_only(ruled(seen("38.4", valuations=worth, flows=[taken]))).value == 20

    @pytest.mark.parametrize(
        ("observation", "why"),
        [
            (seen("NaN", 100), "equity is NaN"),
            (seen(100, 0), "equity was 0 before, so a loss is a share of nothing"),
            (seen(100, "NaN"), "equity was NaN before"),
            (seen(100, 100, values={"AIG": None}), "AIG is held and has no price, so equity is not known"),
        ],
    )
    def test_a_loss_that_cannot_be_measured_halts_and_says_so(self, observation, why):
        found = {c.kind: c for c in ruled(observation)}

        for kind in (BreakerKind.DAILY_LOSS, BreakerKind.DRAWDOWN):
            assert found[kind].action is RestrictionKind.HALT
            assert found[kind].value is None
            assert why in found[kind].cause
            assert "it cannot be measured, so it trips" in trip_alert(found[kind]).text

    @pytest.mark.parametrize("equity", ["0", "-1", "NaN"])
    def test_with_no_equity_every_position_is_too_large_and_every_break_too(self, equity):
        changes = ruled(seen(equity, values={"AIG": Decimal(1)}, worst_break=Decimal(1)))

        assert [(c.kind, c.subject) for c in changes] == [("concentration", "AIG"), ("reconciliation_break", ACCOUNT)]
        assert all(f"equity is {equity}" in c.cause for c in changes)

    def test_a_break_without_a_price_is_as_bad_as_a_large_one(self):
        assert "has no price" in the_only(ruled(seen(1000, worst_break=NAN))).cause

    def test_a_breaker_that_is_off_never_trips(self):
        assert ruled(seen(95, 100), rules=with_rule("daily_loss", enabled=False)) == ()


class TestEnding:
    def test_a_tripped_breaker_does_not_trip_again(self):
        assert ruled(seen(85, 100), tripped()) == ()

    def test_one_of_the_session_holds_for_the_session_that_is_next_and_then_is_over(self):
        change = tripped()

        assert change.until == NEXT
        assert ruled(seen(100, 100), change, now=NEXT - timedelta(seconds=1)) == ()
        over = the_only(ruled(seen(100, 100), change, now=NEXT))
        assert (over.event, over.reason, over.actor) == (BreakerEvent.RESET, "its time is over", "breaker")

    def test_when_its_session_is_over_the_loss_that_tripped_it_does_not_trip_it_again(self):
        in_session = tripped(tripped_at=at(60), changed_at=at(60), until=NEXT)
        expired = the_only(ruled(seen(90, 100), in_session, now=NEXT))  # before the next open, at the close of that day

        assert (expired.event, expired.reason) == (BreakerEvent.RESET, "its time is over")
        assert ruled(seen(90, 100), expired, now=NEXT) == ()
        assert the_only(ruled(seen("85.5", 100), expired, now=NEXT)).value == 5  # of 90: it fell on after the trip

    def test_a_new_loss_in_the_next_session_trips_anew(self):
        worth = [a_valuation(100, BEFORE), a_valuation(90, SESSION)]

        again = the_only(ruled(seen(81, session=SESSION + 3 * DAY, valuations=worth), tripped(), now=NEXT))

        assert (again.event, again.value, again.tripped_at) == (BreakerEvent.TRIPPED, 10, NEXT)

    def test_too_large_a_position_is_out_only_well_below_where_it_came_in(self):
        inside = the_only(ruled(seen(100, values={"AIG": Decimal(31)})))

        assert ruled(seen(100, values={"AIG": Decimal(25)}), inside) == ()
        out = the_only(ruled(seen(100, values={"AIG": Decimal("24.99")}), inside))
        assert (out.event, out.reason) == (BreakerEvent.RESET, "24.99 is below 25")
        assert the_only(ruled(seen(100, values={}), inside)).event is BreakerEvent.RESET  # it was sold
        assert ruled(seen(100, values={"AIG": None}), inside) == ()

    def test_half_an_hour_after_rejections_only_new_orders_count(self):
        first = the_only(ruled(seen(sendings=sendings(0, 4))))
        later = CLOSE + timedelta(minutes=30)

        assert first.until == later
        over = the_only(ruled(seen(sendings=sendings(0, 4)), first, now=later))
        assert over.event is BreakerEvent.RESET
        again = sendings(0, 4) + sendings(0, 4, at=later)
        assert the_only(ruled(seen(sendings=again), first, now=later)).event is BreakerEvent.TRIPPED

    def test_after_a_persons_reset_a_loss_is_measured_from_there(self):
        loss = tripped()
        reset = reset_by(loss, "daily_loss", [], actor="Ada", reason="seen", now=CLOSE)

        assert loss.equity == 90
        assert ruled(seen(90, 100), reset) == ()
        assert ruled(seen("85.6", 100), reset) == ()  # drawdown stays below 20 %, and 4.4 of 90 below 5 %
        assert the_only(ruled(seen("85.5", 100), reset)).value == 5

    def test_after_a_persons_reset_a_condition_that_lasts_is_left_alone_until_the_next_session(self):
        stale = the_only(ruled(seen(sessions_behind=3)))
        reset = reset_by(stale, "stale_data", [], actor="Ada", reason="the provider mends it", now=CLOSE)

        assert ruled(seen(sessions_behind=3), reset, now=CLOSE + RESET_HOLDS - timedelta(seconds=1)) == ()
        assert the_only(ruled(seen(sessions_behind=3), reset, now=CLOSE + RESET_HOLDS)).event is BreakerEvent.TRIPPED

    def test_a_reset_of_a_rehearsal_is_given_long_after_its_session(self):
        stale = the_only(ruled(seen(sessions_behind=3)))
        reset = reset_by(stale, "stale_data", [], actor="Ada", reason="it is a rehearsal", now=CLOSE + 700 * DAY)

        assert ruled(seen(sessions_behind=3), reset) == ()
        assert the_only(ruled(seen(sessions_behind=3), reset, now=CLOSE + DAY)).event is BreakerEvent.TRIPPED


class TestAPersonsWord:
    def test_what_is_not_tripped_cannot_be_reset_and_the_error_says_what_could(self):
        with pytest.raises(InvalidValue, match=r"breaker is 'drawdown', but must be .* tripped: daily_loss, concentr"):
            reset_by(None, "drawdown", ["daily_loss", "concentration AIG"], actor="Ada", reason="x", now=CLOSE)

    def test_a_second_reset_is_told_of_the_first(self):
        reset = reset_by(tripped(), "daily_loss", [], actor="Ada", reason="seen", now=CLOSE)

        with pytest.raises(InvalidValue, match="none is; it was reset by Ada at 2024-03-15 20:00 UTC: seen"):
            reset_by(reset, "daily_loss", [], actor="Grace", reason="seen too", now=CLOSE + DAY)

    @pytest.mark.parametrize("reason", ["", "  "])
    def test_a_reset_needs_a_reason(self, reason):
        with pytest.raises(InvalidValue, match=r"reason is .* says why trading may go on"):
            reset_by(tripped(), "daily_loss", [], actor="Ada", reason=reason, now=CLOSE)

    def test_where_two_are_wanted_the_second_must_be_another(self):
        asked = reset_by(tripped(two_persons=True), "daily_loss", [], actor="Ada", reason="seen", now=CLOSE)

        assert asked.is_tripped(CLOSE)
        with pytest.raises(InvalidValue, match="another than Ada, whose word is the first"):
            reset_by(asked, "daily_loss", [], actor="Ada", reason="really", now=CLOSE)
        done = reset_by(asked, "daily_loss", [], actor="Grace", reason="I too", now=CLOSE)
        assert (done.event, done.actor) == (BreakerEvent.RESET, "Grace")
        assert done.reason == "I too (asked for by Ada: seen)"


class TestSettings:
    @pytest.mark.parametrize(
        ("given", "why"),
        [
            ({"daily_loss": {"threshold": 0.05, "action": "halt"}}, "looks like a fraction: 5 means 5 %"),
            ({"daily_loss": {"threshold": -5, "action": "halt"}}, "greater than 0"),
            ({"daily_loss": {"threshold": "NaN", "action": "halt"}}, "finite"),
            ({"drawdown": {"threshold": 150, "action": "halt"}}, "cannot be reached; give 100 or less"),
            ({"daily_loss": {"threshold": 5, "action": "close_only", "flatten": True}}, "take action halt"),
            ({"daily_loss": {"threshold": 5, "action": "halt", "amount": 0}}, "greater than 0"),
            ({"stale_data": {"threshold": 1, "out_below": 2, "action": "halt"}}, "out_below is 2.*above the threshold"),
            ({"stale_data": {"threshold": 1, "action": "halt", "scope": "instrument"}}, "take block for an instrument"),
            ({"stale_data": {"threshold": 1, "action": "block", "scope": "strategy"}}, "one of: account or desk"),
            ({"concentration": {"threshold": 30, "action": "block"}}, "one of: instrument"),
            ({"concentration": {"threshold": 30, "action": "block", "scope": "instrument", "cancel_working": True}},
             "for the whole account"),
            ({"rejection_rate": {"threshold": 20, "action": "reduce_size", "size_factor": 1}}, "less than 1"),
            ({"dayly_loss": {}}, "dayly_loss"),
        ],
    )  # fmt: skip
    def test_rules_that_contradict_themselves_are_refused_with_the_way_out(self, given, why):
        with pytest.raises(ValidationError, match=why):
            FORM.validate_python(given)

    def test_the_form_gives_back_what_it_was_given(self):
        rules = replace(
            BreakerRules(),
            daily_loss=LossRule(threshold=Decimal(3), amount=Decimal("1234.5"), action=RestrictionKind.HALT),
        )

        assert FORM.validate_json(FORM.dump_json(rules)) == rules


def test_an_alert_says_what_tripped_what_still_runs_and_what_ends_it():
    rules = with_rule("daily_loss", cancel_working=True, two_persons=True)

    alert = trip_alert(the_only(ruled(seen(90, 100), rules=rules)))

    assert alert.title == "Breaker daily_loss of account DU100 tripped: halt"
    assert alert.text.splitlines() == [
        "What tripped: a loss of 10.00: 10.00 % of equity at the close before, 5 trips it.",
        "What is forbidden: in account DU100, no order is made or sent.",
        "Working orders are canceled.",
        "What still runs: Bars are ingested, orders at the broker are followed and the books are reconciled as before.",
        "What ends it: it ends by itself at 2024-03-19 13:00 UTC, or `openbell reset daily_loss --account DU100 "
        "--reason TEXT` ends it, given by two persons. After a reset by a person a loss is then measured from what the "
        "account was worth when it tripped.",
    ]


def test_a_breaker_of_the_desk_forbids_it_to_all():
    rules = with_rule("drawdown", scope=RiskScope.DESK)

    change = next(c for c in ruled(seen(50, 100), rules=rules) if c.kind is BreakerKind.DRAWDOWN)

    assert change.restriction().subject == "desk"
    assert "in every account, no order is made or sent" in trip_alert(change).text
