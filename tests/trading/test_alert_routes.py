"""Who is told when: quiet hours by the wall clock, pauses that grow, messages that begin with what is gravest."""

from datetime import UTC, datetime, time, timedelta

import pytest

from trading.alert_routes import AlertPolicy, AlertRoute, Notice, NoticeKind, QuietHours, Traffic
from trading.alerts import Alert, Severity
from trading.errors import InvalidValue

NIGHT = QuietHours(begins=time(22), ends=time(7), time_zone="America/New_York")
NOW = datetime(2024, 3, 15, 14, tzinfo=UTC)
EVERYTHING = AlertRoute(name="mail", at_once=3)
POLICY = AlertPolicy(routes=(EVERYTHING,))


def a_notice(number: int, severity: Severity = Severity.WARNING, minute: int = 0, tries: int = 0) -> Notice:
    raised_at = NOW + timedelta(minutes=minute)
    alert = Alert(fingerprint=f"{number}", severity=severity, title="t", text="", raised_at=raised_at)
    return Notice(alert_id=number, alert=alert, kind=NoticeKind.RAISED, tries=tries)


@pytest.mark.parametrize(
    ("utc", "is_quiet"),
    [
        # In winter New York is 5 hours behind UTC, in summer 4; the clocks went on at 2024-03-10 07:00 UTC.
        ("2024-03-10 02:59", False),  # 21:59
        ("2024-03-10 03:00", True),  # 22:00
        ("2024-03-10 10:59", True),  # 06:59, in a night of 8 hours
        ("2024-03-10 11:00", False),  # 07:00
        ("2024-03-11 01:59", False),  # 21:59
        ("2024-03-11 02:00", True),  # 22:00
        # They went back at 2024-11-03 06:00 UTC: a night of 10 hours.
        ("2024-11-03 02:00", True),
        ("2024-11-03 11:59", True),
        ("2024-11-03 12:00", False),
    ],
)  # fmt: skip
def test_quiet_hours_go_by_the_wall_clock_through_a_change_of_the_clocks(utc: str, is_quiet: bool):
    assert NIGHT.are_on(datetime.fromisoformat(utc).replace(tzinfo=UTC)) is is_quiet


def test_quiet_hours_within_a_day_end_on_that_day():
    lunch = QuietHours(begins=time(12), ends=time(13), time_zone="UTC")

    assert [lunch.are_on(datetime(2024, 3, 15, hour, tzinfo=UTC)) for hour in (11, 12, 13)] == [False, True, False]


def test_at_night_only_what_is_grave_is_sent_and_the_rest_in_the_morning():
    route = AlertRoute(name="phone", quiet=NIGHT)
    due = [a_notice(n, severity) for n, severity in enumerate(Severity)]
    midnight, morning = datetime(2024, 3, 15, 4, tzinfo=UTC), datetime(2024, 3, 15, 11, tzinfo=UTC)

    at_night = POLICY.next_message(route, due, Traffic(), midnight)
    later = POLICY.next_message(route, due[:2], Traffic(), morning)

    assert [n.severity for n in at_night] == [Severity.EMERGENCY, Severity.CRITICAL]
    assert [n.severity for n in later] == [Severity.WARNING, Severity.INFO]


def test_a_message_begins_with_the_gravest_then_the_oldest_and_holds_no_more_than_allowed():
    due = [a_notice(1, minute=2), a_notice(2, minute=1), a_notice(3, Severity.EMERGENCY, minute=3), a_notice(4)]

    assert [n.alert_id for n in POLICY.next_message(EVERYTHING, due, Traffic(), NOW)] == [3, 4, 2]


def test_what_was_refused_three_times_goes_alone_until_the_channel_takes_messages_again():
    due = [a_notice(1, tries=3), a_notice(2), a_notice(3), a_notice(5, tries=4)]
    failing = Traffic(failures=1, last_failed_at=NOW - timedelta(minutes=5))

    first = POLICY.next_message(EVERYTHING, due, failing, NOW)
    second = POLICY.next_message(EVERYTHING, [a_notice(4, Severity.CRITICAL), *due], failing, NOW)
    later = POLICY.next_message(EVERYTHING, due, Traffic(), NOW)

    assert [n.alert_id for n in first] == [1]
    assert [n.alert_id for n in second] == [4, 2, 3]
    assert [n.alert_id for n in later] == [1, 5]


def test_pauses_double_up_to_five_minutes():
    pauses = [(POLICY.next_try(tries, NOW) - NOW).total_seconds() for tries in (1, 2, 3, 4, 5, 6, 7, 10_000)]

    assert pauses == [10, 20, 40, 80, 160, 300, 300, 300]


def test_a_channel_that_failed_is_left_alone_half_as_long():
    failed = Traffic(failures=3, last_failed_at=NOW)

    assert [POLICY.is_paused(failed, NOW + timedelta(seconds=s)) for s in (19, 20)] == [True, False]
    assert not POLICY.is_paused(Traffic(), NOW)


def test_escalations_go_by_their_minutes_to_those_who_hear_of_such_alerts():
    chief = AlertRoute(name="chief", escalate_after=timedelta(minutes=10))
    owner = AlertRoute(name="owner", floor=Severity.EMERGENCY, escalate_after=timedelta(minutes=10))
    board = AlertRoute(name="board", escalate_after=timedelta(minutes=30))
    policy = AlertPolicy(routes=(board, chief, owner, EVERYTHING))

    assert policy.escalations() == (10, 30)
    assert policy.told_at_once(Severity.EMERGENCY) == ("mail",)
    assert policy.told_after(10, Severity.CRITICAL) == ("chief",)
    assert policy.told_after(10, Severity.EMERGENCY) == ("chief", "owner")
    assert policy.told_after(30, Severity.WARNING) == ()


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        (lambda: AlertRoute(name=""), "channel name is ''"),
        (lambda: AlertRoute(name="a", per_minute=0), "per_minute of channel a is 0, but must be 1 or more"),
        (lambda: AlertRoute(name="a", timeout=timedelta(0)), "timeout of channel a"),
        (lambda: QuietHours(begins=time(1), ends=time(1), time_zone="UTC"), "from one time to another"),
        (lambda: QuietHours(begins=time(1), ends=time(2), time_zone="../UTC"), "an IANA name"),
        (lambda: AlertPolicy(routes=(EVERYTHING, EVERYTHING)), r"\['mail'\], but must be different"),
    ],
)
def test_rules_that_make_no_sense_are_refused(wrong, rule):
    with pytest.raises(InvalidValue, match=rule):
        wrong()
