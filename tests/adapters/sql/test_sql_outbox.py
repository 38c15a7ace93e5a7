"""What a person must be told is told, channel by channel, until each has taken it; nothing is lost or said twice."""

from datetime import timedelta

import pytest

from tests.adapters.sql.alert_desk import HOUR, MINUTE, SECOND, Post, an_alert
from tests.builders import CLOSE, DECIDED
from trading.alert_routes import AlertRoute
from trading.alerts import Severity
from trading.errors import InvalidValue

MAIL, PHONE = AlertRoute(name="mail"), AlertRoute(name="phone", floor=Severity.CRITICAL)
CHIEF = AlertRoute(name="chief", escalate_after=timedelta(minutes=10))
BOARD = AlertRoute(name="board", escalate_after=timedelta(minutes=30))


class TestRaising:
    def test_an_alert_is_due_once_per_occurrence_as_it_was_first_told(self, ledger):
        ledger.outbox.raise_alert(an_alert())
        ledger.outbox.raise_alert(an_alert(title="again", raised_at=CLOSE))
        ledger.outbox.raise_alert(an_alert("unknown t-2"))

        assert ledger.outbox.due() == (an_alert(), an_alert("unknown t-2"))
        assert [(s.count, s.last_raised_at) for s in ledger.outbox.open()] == [(2, CLOSE), (1, DECIDED)]

    def test_a_storm_is_put_in_at_once_and_what_is_in_it_twice_is_counted(self, ledger):
        storm = [an_alert(f"t-{n % 700}", severity=Severity.WARNING) for n in range(1000)]

        ledger.outbox.raise_alerts(storm)

        states = ledger.outbox.open()
        assert [s.alert.fingerprint for s in states] == [f"t-{n}" for n in range(700)]
        assert sum(s.count for s in states) == 1000

    def test_an_alert_that_comes_back_graver_is_told_anew(self, ledger):
        ledger.outbox.raise_alert(an_alert(severity=Severity.WARNING))

        ledger.outbox.raise_alert(an_alert(severity=Severity.EMERGENCY))
        ledger.outbox.raise_alert(an_alert(severity=Severity.WARNING))

        found = [(s.alert.severity, s.count) for s in ledger.outbox.open()]
        assert found == [(Severity.EMERGENCY, 2), (Severity.WARNING, 1)]

    def test_an_alert_that_comes_back_after_its_end_is_a_new_one(self, ledger):
        ledger.outbox.raise_alert(an_alert())
        ledger.outbox.resolve("unknown t-1", "filled", CLOSE)

        ledger.outbox.raise_alert(an_alert(raised_at=CLOSE + MINUTE))

        (state,) = ledger.outbox.open()
        assert (state.alert_id, state.count, state.alert.raised_at) == (2, 1, CLOSE + MINUTE)


class TestTelling:
    def test_each_channel_is_told_what_its_floor_lets_in_the_gravest_first_and_each_once(self, ledger):
        post = Post.of(ledger.outbox, MAIL, PHONE)
        levels = {"a": Severity.INFO, "b": Severity.CRITICAL, "c": Severity.EMERGENCY, "d": Severity.CRITICAL}
        for name, severity in levels.items():
            ledger.outbox.raise_alert(an_alert(name, severity=severity))

        assert post.told(DECIDED) == ["raised c", "raised b", "raised d", "raised a"]
        assert post.told(DECIDED, 1) == ["raised c", "raised b", "raised d"]
        assert post.told(DECIDED + HOUR) == post.told(DECIDED + HOUR, 1) == []
        assert ledger.outbox.due() == ()

    def test_a_channel_that_refuses_is_tried_again_ever_later_and_delays_no_other(self, ledger):
        post = Post.of(ledger.outbox, MAIL, PHONE)
        ledger.outbox.raise_alert(an_alert())

        assert post.told(DECIDED, delivered=False) == post.told(DECIDED, 1) == ["raised unknown t-1"]

        assert post.told(DECIDED + 9 * SECOND) == []
        assert post.told(DECIDED + 10 * SECOND, delivered=False)
        assert post.told(DECIDED + 29 * SECOND) == []
        assert post.told(DECIDED + 30 * SECOND)
        (state,) = ledger.outbox.open()
        assert (state.told, state.waiting) == (("mail", "phone"), ())

    def test_what_a_channel_never_takes_does_not_hold_up_the_rest(self, ledger):
        post = Post.of(ledger.outbox, AlertRoute(name="mail", at_once=1))
        ledger.outbox.raise_alert(an_alert("poison", severity=Severity.EMERGENCY))
        ledger.outbox.raise_alert(an_alert("plain", severity=Severity.INFO))

        told = []
        for second in range(0, 60, 5):
            message = post.take(now := DECIDED + second * SECOND)
            if message is not None:
                is_taken = message.notices[0].alert.fingerprint == "plain"
                post.outbox.record(message, post.policy, delivered=is_taken, text="", now=now)
                told.append((second, message.notices[0].alert.fingerprint))

        assert told == [(0, "poison"), (5, "plain"), (10, "poison"), (30, "poison")]

    def test_what_piled_up_in_an_outage_is_told_as_fast_as_ever_when_it_is_over(self, ledger):
        post = Post.of(ledger.outbox, MAIL)
        ledger.outbox.raise_alerts([an_alert(f"t-{n}") for n in range(20)])
        refused = [len(post.told(DECIDED + 5 * n * MINUTE, delivered=False)) for n in range(6)]

        told = [len(post.told(DECIDED + HOUR + n * SECOND)) for n in range(3)]

        assert refused == [20, 20, 20, 1, 1, 1]
        assert told == [1, 19, 0]

    def test_a_message_whose_sender_was_stopped_is_sent_again_and_says_so(self, ledger):
        post = Post.of(ledger.outbox, MAIL)
        ledger.outbox.raise_alert(an_alert())
        lost = post.take(DECIDED)
        assert post.take(DECIDED + 29 * SECOND) is None

        assert post.take(DECIDED + 30 * SECOND) is None  # given up; its first pause
        again = post.take(DECIDED + 40 * SECOND)

        assert "may be a repeat" not in lost.message.body
        assert "may be a repeat" in again.message.body

    def test_a_receipt_that_comes_late_still_counts(self, ledger):
        post = Post.of(ledger.outbox, MAIL)
        ledger.outbox.raise_alert(an_alert())
        late = post.take(DECIDED)
        assert post.take(DECIDED + MINUTE) is None

        ledger.outbox.record(late, post.policy, delivered=True, text="taken", now=DECIDED + MINUTE)

        assert post.take(DECIDED + HOUR) is None
        assert ledger.outbox.due() == ()

    def test_a_receipt_that_comes_late_while_the_alert_is_sent_again_saves_a_third_try(self, ledger):
        post = Post.of(ledger.outbox, MAIL)
        ledger.outbox.raise_alert(an_alert())
        late = post.take(DECIDED)
        assert post.take(DECIDED + MINUTE) is None
        again = post.take(DECIDED + 2 * MINUTE)

        ledger.outbox.record(late, post.policy, delivered=True, text="taken", now=DECIDED + 2 * MINUTE)
        ledger.outbox.record(again, post.policy, delivered=None, text="no answer", now=DECIDED + 3 * MINUTE)

        assert post.take(DECIDED + HOUR) is None
        assert ledger.count("alert_queue") == 0

    def test_one_message_at_a_time_is_under_way_to_a_channel(self, ledger):
        post = Post.of(ledger.outbox, AlertRoute(name="mail", at_once=1))
        ledger.outbox.raise_alerts([an_alert("a"), an_alert("b")])
        first = post.take(DECIDED)

        assert post.take(DECIDED) is None
        ledger.outbox.record(first, post.policy, delivered=True, text="", now=DECIDED)
        assert post.told(DECIDED) == ["raised b"]

    def test_no_more_messages_go_in_a_minute_than_allowed_and_one_is_kept_for_what_is_grave(self, ledger):
        post = Post.of(ledger.outbox, AlertRoute(name="phone", per_minute=3, at_once=1))
        ledger.outbox.raise_alerts([an_alert(f"t-{n}", severity=Severity.INFO) for n in range(5)])

        assert [post.told(DECIDED + n * SECOND) for n in range(3)] == [["raised t-0"], ["raised t-1"], []]
        ledger.outbox.raise_alert(an_alert("fire", severity=Severity.EMERGENCY))
        assert post.told(DECIDED + 3 * SECOND) == ["raised fire"]
        ledger.outbox.raise_alert(an_alert("flood", severity=Severity.EMERGENCY))
        assert post.told(DECIDED + 4 * SECOND) == []
        assert post.told(DECIDED + 60 * SECOND) == ["raised flood"]

    def test_a_channel_that_is_new_hears_nothing_of_what_others_were_told(self, ledger):
        post = Post.of(ledger.outbox, MAIL)
        ledger.outbox.raise_alert(an_alert())
        assert post.told(DECIDED)

        assert post.with_rules(MAIL, PHONE).told(DECIDED + MINUTE, 1) == []

    def test_what_waits_for_a_channel_that_was_renamed_is_told_to_the_others_when_nobody_heard_of_it(self, ledger):
        ledger.outbox.raise_alerts([an_alert("heard"), an_alert("unheard", lasting=True)])
        before = Post.of(ledger.outbox, AlertRoute(name="old", at_once=1), AlertRoute(name="also", at_once=1))
        assert before.told(DECIDED, 1) == ["raised heard"]
        after = before.with_rules(PHONE)
        ledger.outbox.raise_alert(an_alert("unheard", lasting=True))

        assert after.told(DECIDED + MINUTE) == []
        assert after.told(DECIDED + HOUR) == ["repeated unheard"]
        assert after.told(DECIDED + 3 * HOUR) == []

    def test_what_is_raised_when_there_is_no_channel_waits_for_one(self, ledger):
        ledger.outbox.raise_alert(an_alert())
        ledger.outbox.plan(Post.of(ledger.outbox).policy, DECIDED)

        assert Post.of(ledger.outbox, MAIL).told(CLOSE) == ["raised unknown t-1"]


class TestAClockThatGoesBack:
    """The clock of the machine was an hour ahead, and is set right at `DECIDED`."""

    AHEAD = DECIDED + HOUR

    def test_what_was_raised_before_is_told_at_once(self, ledger):
        ledger.outbox.raise_alert(an_alert(raised_at=self.AHEAD))

        assert Post.of(ledger.outbox, MAIL).told(DECIDED) == ["raised unknown t-1"]

    def test_what_was_sent_before_does_not_use_up_the_minute(self, ledger):
        post = Post.of(ledger.outbox, AlertRoute(name="phone", per_minute=2, at_once=1))
        ledger.outbox.raise_alerts([an_alert("a"), an_alert("b"), an_alert("c")])
        assert post.told(self.AHEAD)
        assert post.told(self.AHEAD)

        assert post.told(DECIDED) == ["raised c"]

    def test_what_was_refused_before_is_tried_again_at_once(self, ledger):
        post = Post.of(ledger.outbox, MAIL)
        ledger.outbox.raise_alert(an_alert())
        assert post.told(self.AHEAD, delivered=False)

        assert post.told(DECIDED) == ["raised unknown t-1"]

    def test_a_message_whose_sender_was_stopped_before_is_given_up(self, ledger):
        post = Post.of(ledger.outbox, MAIL)
        ledger.outbox.raise_alert(an_alert())
        assert post.take(self.AHEAD)

        assert post.told(DECIDED) == []  # given up; its first pause
        assert post.told(DECIDED + 10 * SECOND) == ["raised unknown t-1"]

    def test_a_step_of_some_seconds_sends_nothing_twice(self, ledger):
        post = Post.of(ledger.outbox, MAIL)
        ledger.outbox.raise_alert(an_alert())
        message = post.take(DECIDED)

        assert post.take(DECIDED - 5 * SECOND) is None
        post.outbox.record(message, post.policy, delivered=True, text="", now=DECIDED - 4 * SECOND)
        assert post.take(DECIDED + HOUR) is None


class TestEnding:
    def test_what_was_resolved_while_it_waited_is_not_told_as_open(self, ledger):
        post = Post.of(ledger.outbox, MAIL, PHONE)
        ledger.outbox.raise_alert(an_alert())
        assert post.told(DECIDED) == ["raised unknown t-1"]

        ledger.outbox.resolve("unknown t-1", "It was filled.", DECIDED + SECOND)

        assert post.told(DECIDED + SECOND, 1) == []
        message = post.take(DECIDED + SECOND)
        assert message.message.title == "Openbell: over: Order unknown t-1"
        assert message.message.body.endswith("It was filled.")
        assert message.message.severity is None

    def test_an_end_waits_for_the_answer_of_a_message_under_way(self, ledger):
        post = Post.of(ledger.outbox, MAIL)
        ledger.outbox.raise_alert(an_alert())
        message = post.take(DECIDED)

        ledger.outbox.resolve("unknown t-1", "filled", DECIDED)
        assert post.take(DECIDED) is None
        ledger.outbox.record(message, post.policy, delivered=False, text="refused", now=DECIDED)

        assert post.told(DECIDED + HOUR) == []
        assert ledger.count("alert_queue") == 0

    def test_an_end_is_told_where_the_alert_may_have_been_heard(self, ledger):
        post = Post.of(ledger.outbox, MAIL)
        ledger.outbox.raise_alert(an_alert())
        assert post.told(DECIDED, delivered=None)

        ledger.outbox.resolve("unknown t-1", "filled", DECIDED + SECOND)

        assert post.told(DECIDED + MINUTE) == ["resolved unknown t-1"]

    def test_a_channel_that_wants_no_ends_hears_none(self, ledger):
        post = Post.of(ledger.outbox, AlertRoute(name="mail", tells_resolved=False))
        ledger.outbox.raise_alert(an_alert())
        assert post.told(DECIDED)

        assert ledger.outbox.resolve("unknown t-1", "filled", DECIDED + SECOND) == 1

        assert post.told(DECIDED + MINUTE) == []

    def test_what_was_never_raised_cannot_be_over(self, ledger):
        assert ledger.outbox.resolve("nothing", "filled", DECIDED) == 0


class TestUrging:
    def test_what_lasts_and_is_raised_again_is_told_again_once_an_hour_until_acknowledged(self, ledger):
        post = Post.of(ledger.outbox, MAIL)
        lasting = an_alert("feed", lasting=True)
        for minute in range(0, 150, 10):
            ledger.outbox.raise_alert(an_alert("feed", lasting=True, raised_at=DECIDED + minute * MINUTE))
            if told := post.told(DECIDED + minute * MINUTE):
                assert (told, minute) in ((["raised feed"], 0), (["repeated feed"], 60), (["repeated feed"], 120))

        ledger.outbox.acknowledge(1, actor="Ada", note="on it", now=DECIDED + 150 * MINUTE)
        ledger.outbox.raise_alert(lasting)

        assert ledger.count("alert_notice") == 3
        assert post.told(DECIDED + 200 * MINUTE) == []
        (state,) = ledger.outbox.open()  # it lasts
        assert (state.count, state.acknowledged.actor) == (16, "Ada")

    def test_what_happened_once_is_never_repeated(self, ledger):
        post = Post.of(ledger.outbox, MAIL)
        for hour in range(3):
            ledger.outbox.raise_alert(an_alert(raised_at=DECIDED + hour * HOUR))

        assert [post.told(DECIDED + hour * HOUR) for hour in range(3)] == [["raised unknown t-1"], [], []]

    def test_a_critical_alert_that_nobody_acknowledges_is_told_further_once_per_level(self, ledger):
        post = Post.of(ledger.outbox, MAIL, CHIEF, BOARD)
        ledger.outbox.raise_alerts([an_alert("big"), an_alert("small", severity=Severity.WARNING)])

        chief = {minute: told for minute in range(60) if (told := post.told(DECIDED + minute * MINUTE, 1))}
        board = {minute: told for minute in range(60) if (told := post.told(DECIDED + minute * MINUTE, 2))}

        assert chief == {10: ["escalated big"]}
        assert list(board.values()) == [["escalated big"]]
        assert ledger.count("alert_notice WHERE kind = 'escalated' AND number = 30") == 1

    def test_what_is_acknowledged_or_over_is_not_told_further(self, ledger):
        post = Post.of(ledger.outbox, MAIL, CHIEF)
        ledger.outbox.raise_alerts([an_alert("seen"), an_alert("over"), an_alert("left")])
        ledger.outbox.acknowledge(1, actor="Ada", note="", now=DECIDED + MINUTE)
        ledger.outbox.resolve("over", "", DECIDED + MINUTE)

        assert post.told(DECIDED + 11 * MINUTE, 1) == ["escalated left"]

    def test_an_escalation_that_waits_is_withdrawn_by_an_acknowledgement(self, ledger):
        post = Post.of(ledger.outbox, CHIEF)
        ledger.outbox.raise_alert(an_alert())
        assert post.told(DECIDED + 10 * MINUTE, delivered=False)

        ledger.outbox.acknowledge(1, actor="Ada", note="", now=DECIDED + 10 * MINUTE)

        assert post.told(DECIDED + HOUR) == []

    def test_a_new_rule_escalates_nothing_of_last_month(self, ledger):
        ledger.outbox.raise_alert(an_alert())

        assert Post.of(ledger.outbox, CHIEF).told(DECIDED + timedelta(days=30)) == []

    def test_an_acknowledgement_is_in_the_audit_trail_and_is_given_once(self, ledger):
        ledger.outbox.raise_alert(an_alert())

        state = ledger.outbox.acknowledge(1, actor="Ada", note="on it", now=CLOSE)

        assert (state.acknowledged.actor, state.acknowledged.note, state.is_open) == ("Ada", "on it", False)
        assert ledger.outbox.open() == ()
        assert ledger.count("audit_entry WHERE actor = 'Ada' AND action = 'acknowledge alert 1'") == 1
        with pytest.raises(InvalidValue, match="nobody has acknowledged; Ada did at"):
            ledger.outbox.acknowledge(1, actor="Grace", note="", now=CLOSE)
        with pytest.raises(InvalidValue, match="alert is 7, but must be the number of one that was raised"):
            ledger.outbox.acknowledge(7, actor="Grace", note="", now=CLOSE)
