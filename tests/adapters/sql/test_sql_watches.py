"""What a watch says is in the ledger once, with its alert and its breaker, however often it is said."""

from dataclasses import replace
from decimal import Decimal

import pytest

from adapters.sql.audit import first_broken_entry
from adapters.sql.watches import SqlWatches
from tests.adapters.sql.sql_desk import SqlLedger, a_decision, failing_at
from tests.builders import ACCOUNT, CLOSE, DECIDED, a_new_order, a_trade
from tests.rule_builders import SECOND, a_rule, broken, kept, of_account
from trading.errors import DeskHalted, InvalidValue
from trading.monitoring.rule_book import RuleEvent, Standing
from trading.monitoring.watch_rules import default_rules
from trading.monitoring.watch_status import microseconds_of
from trading.orders.orders import Side
from trading.risk.breakers import BreakerKind
from trading.risk.restrictions import RestrictionKind

THIN = a_rule("thin", RestrictionKind.CLOSE_ONLY)
PLAIN = a_rule("plain")


@pytest.fixture
def watches(ledger: SqlLedger) -> SqlWatches:
    return SqlWatches(ledger.engine)


def put(watches: SqlWatches, *rules, reason: str = "to try") -> None:
    for rule in rules:
        watches.put_rule(rule, actor="Ada", reason=reason, now=DECIDED)


def tripped(ledger: SqlLedger) -> list[tuple[str, str]]:
    return [(change.name, change.action.value) for change in ledger.breakers.active(ACCOUNT, CLOSE)]


def trail(ledger: SqlLedger) -> list[tuple[str, str, str]]:
    with ledger.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT actor, action, text FROM audit_entry ORDER BY seq").all()
    return [tuple(row) for row in rows]


def open_alerts(ledger: SqlLedger) -> list[str]:
    return sorted(state.alert.title for state in ledger.outbox.open())


def forget(watches: SqlWatches, gone: list[RuleEvent], still: list[RuleEvent], second: int = 60) -> None:
    stood = {(e.rule.rule_id, e.subject): Standing(since=e.at, broken_at=e.broken_at) for e in gone}
    keys = {(e.rule.rule_id, e.subject) for e in still}
    watches.forget(ACCOUNT, stood, keys, microseconds_of(DECIDED + second * SECOND))


def test_a_desk_begins_with_rules_that_a_person_may_replace_add_to_and_take_away(ledger, watches):
    first = default_rules()[0]
    louder = replace(first, threshold=9.0)
    put(watches, louder, THIN)
    watches.remove_rule("thin", actor="Grace", reason="too loud", now=CLOSE)

    assert watches.rules() == (louder, *default_rules()[1:])
    assert watches.newest_change() == 3
    assert trail(ledger) == [
        ("Ada", f"put watch rule {first.rule_id}", "to try"),
        ("Ada", "put watch rule thin", "to try"),
        ("Grace", "remove watch rule thin", "too loud"),
    ]


def test_a_rule_is_changed_only_for_a_reason_and_taken_away_only_if_it_is_there(ledger, watches):
    with pytest.raises(InvalidValue, match="reason"):
        put(watches, THIN, reason=" ")
    with pytest.raises(InvalidValue, match=r"rule is 'thin', but must be one of .*day-loss-warning"):
        watches.remove_rule("thin", actor="Ada", reason="too loud", now=DECIDED)

    assert (watches.newest_change(), trail(ledger)) == (0, [])


def test_what_is_said_twice_is_told_once_and_its_end_ends_the_alert(ledger, watches):
    event = broken(PLAIN)

    assert watches.record(ACCOUNT, [event]) == (event,)
    assert watches.record(ACCOUNT, [event]) == ()
    assert open_alerts(ledger) == ["AAPL: spread_pct is 3.5, above 3"]
    assert watches.record(ACCOUNT, [event, kept(event, 5)]) == (kept(event, 5),)
    assert open_alerts(ledger) == []
    assert ledger.count("alert") == 1


def test_what_is_broken_and_not_kept_again_stands(watches):
    plain, thin, again = broken(PLAIN), broken(THIN, "IBM", 1), broken(PLAIN, second=9)
    watches.record(ACCOUNT, [plain, thin, kept(plain, 4), again])
    watches.record("another", [broken(PLAIN, "KO")])

    stood = {key: s.broken_at for key, s in watches.standing(ACCOUNT, DECIDED).items()}

    assert stood == {("thin", "IBM"): thin.at, ("plain", "AAPL"): again.at}
    assert list(watches.standing(ACCOUNT, DECIDED + 2 * SECOND)) == [("plain", "AAPL")]


def test_the_history_is_told_in_order_of_time(watches):
    event = broken(PLAIN)
    watches.record(ACCOUNT, [kept(event, 5), event])

    told = [(at, rule_id, is_broken) for at, rule_id, is_broken, _ in watches.history(ACCOUNT, DECIDED)]

    assert told == [(DECIDED, "plain", True), (DECIDED + 5 * SECOND, "plain", False)]
    assert len(watches.history(ACCOUNT, DECIDED + SECOND)) == 1


def test_open_orders_are_known_with_the_time_at_which_they_went_out(ledger, watches):
    lease = ledger.lease()
    ledger.sent(lease, a_new_order(), a_new_order(cl_ord_id="t-2", symbol="IBM"))
    ledger.intend(lease, a_new_order(cl_ord_id="t-3", symbol="MSFT"))
    ledger.journal.record([a_trade(100, 10)])  # the whole of t-1

    assert watches.sent_at(ACCOUNT) == {"t-2": DECIDED}
    assert watches.sent_at("DU200") == {}


def test_a_rule_with_an_action_trips_a_breaker_once_with_its_audit_entry_and_its_alert(ledger, watches):
    event = broken(THIN)

    watches.record(ACCOUNT, [event])
    watches.record(ACCOUNT, [event])  # by a watch that was killed, and looks at the second once more

    assert tripped(ledger) == [("watch_rule AAPL", "close_only")]
    (entry,) = trail(ledger)
    assert entry == (
        "breaker", "breaker tripped watch_rule AAPL of DU100", "watch rule thin: AAPL: spread_pct is 3.5, above 3",
    )  # fmt: skip
    assert open_alerts(ledger) == [
        "AAPL: spread_pct is 3.5, above 3",
        "Breaker watch_rule AAPL of account DU100 tripped: close_only",
    ]
    watches.record(ACCOUNT, [event, kept(event, 5)])
    assert tripped(ledger) == []
    assert [entry[1] for entry in trail(ledger)][1:] == ["breaker reset watch_rule AAPL of DU100"]
    assert first_broken_entry(ledger.engine) is None


def test_a_watch_that_is_killed_before_its_breaker_is_kept_has_told_nothing_and_says_it_again(ledger, watches):
    for statement in ("INSERT INTO acting_watch_rule", "INSERT INTO breaker_change", "INSERT INTO tripped_breaker"):
        with failing_at(ledger.engine, statement), pytest.raises(InterruptedError):
            watches.record(ACCOUNT, [broken(THIN)])
        assert [ledger.count(t) for t in ("watch_event", "alert", "breaker_change", "audit_entry")] == [0] * 4

    watches.record(ACCOUNT, [broken(THIN)])

    assert tripped(ledger) == [("watch_rule AAPL", "close_only")]


def test_what_is_watched_once_more_after_a_persons_reset_trips_nothing(ledger, watches):
    event = broken(THIN)
    watches.record(ACCOUNT, [event])
    ledger.breakers.reset(ACCOUNT, BreakerKind.WATCH_RULE, "AAPL", actor="Ada", reason="seen", now=DECIDED + SECOND)

    watches.record(ACCOUNT, [event])
    watches.record(ACCOUNT, [event, broken(PLAIN, second=2)])
    assert tripped(ledger) == []

    watches.record(ACCOUNT, [kept(event, 3), broken(THIN, second=4)])
    assert tripped(ledger) == [("watch_rule AAPL", "close_only")]


def test_a_replay_tells_nobody_and_trips_nothing(ledger, watches):
    watches.record(ACCOUNT, [broken(THIN)], tells=False)

    assert (tripped(ledger), open_alerts(ledger), trail(ledger)) == ([], [], [])
    assert ledger.count("watch_event") == 1


def test_a_rule_that_is_looked_at_no_more_ends_its_alert_and_its_breaker(ledger, watches):
    thin, other = broken(THIN), broken(THIN, "IBM")
    watches.record(ACCOUNT, [thin, other])

    forget(watches, gone=[thin], still=[other])
    forget(watches, gone=[thin], still=[other])

    assert tripped(ledger) == [("watch_rule IBM", "close_only")]
    assert "AAPL: spread_pct is 3.5, above 3" not in open_alerts(ledger)
    assert list(watches.standing(ACCOUNT, DECIDED)) == [("thin", "IBM")]
    assert ledger.count("watch_event") == 3


def test_what_the_watch_of_yesterday_left_in_force_ends_unless_it_is_broken_still(ledger, watches):
    watches.record(ACCOUNT, [broken(THIN)])
    today = broken(THIN, "IBM", 86_400)
    watches.record(ACCOUNT, [today])

    forget(watches, gone=[], still=[today], second=86_401)

    assert tripped(ledger) == [("watch_rule IBM", "close_only")]


@pytest.mark.parametrize(
    ("action", "bought", "sold"),
    [
        (RestrictionKind.BLOCK, "BREAKER_BLOCKED", "BREAKER_BLOCKED"),
        (RestrictionKind.CLOSE_ONLY, "BREAKER_CLOSE_ONLY", "10"),
        (RestrictionKind.REDUCE_SIZE, "5", "10"),
    ],
)
def test_no_order_adds_where_a_broken_rule_forbids_it_and_what_is_held_may_be_closed(
    ledger, watches, action, bought, sold
):
    lease = ledger.lease()
    ledger.sent(lease, a_new_order())
    ledger.journal.record([a_trade(100, 10)])
    event = broken(a_rule("thin", action))
    watches.record(ACCOUNT, [event])

    def ordered(side: Side, symbol: str = "AAPL", name: str = "") -> str:
        name = name or f"{side}-{symbol}"
        order = a_new_order(cl_ord_id=name, book=name, side=side, symbol=symbol, order_qty=Decimal(10))
        (verdict,) = ledger.intend(lease, order, decision=a_decision(book=name))
        return str(verdict.granted_qty) if verdict.accepted else str(verdict.code)

    assert [ordered(Side.BUY), ordered(Side.SELL), ordered(Side.BUY, "IBM")] == [bought, sold, "10"]
    watches.record(ACCOUNT, [kept(event, 5)])
    assert ordered(Side.BUY, name="once more") == "10"


def test_a_rule_about_the_account_halts_it_until_it_is_kept_again(ledger, watches):
    event = broken(of_account(RestrictionKind.HALT), ACCOUNT, symbol="")
    watches.record(ACCOUNT, [event])

    with pytest.raises(DeskHalted, match=r"breaker watch_rule of DU100: watch rule day-loss-pct: DU100: day_loss_pct"):
        ledger.breakers.require_none_halts(ACCOUNT, CLOSE)
    ledger.breakers.require_none_halts("DU200", CLOSE)
    watches.record(ACCOUNT, [kept(event, 5)])
    ledger.breakers.require_none_halts(ACCOUNT, CLOSE)
