"""`alert_queue` says nothing that does not follow from what was raised, decided, sent and answered."""

import json
import random
from datetime import datetime

import pytest

from tests.adapters.sql.alert_desk import MINUTE, SECOND, Post, an_alert
from tests.builders import DECIDED
from trading.alert_messages import OutgoingMessage
from trading.alert_routes import AlertRoute
from trading.alerts import Severity
from trading.errors import InvalidValue

ROUTES = (
    AlertRoute(name="mail", at_once=2),
    AlertRoute(name="phone", floor=Severity.CRITICAL, at_once=3),
    AlertRoute(name="chief", escalate_after=10 * MINUTE, tells_resolved=False),
)
NAMES = ("a", "b", "c", "d", "e", "f")
Row = tuple[int, str, int, str, int]  # alert, kind, number, channel, tries


@pytest.mark.parametrize("seed", [1, 4])
def test_the_queue_follows_from_the_ledger_after_any_history(ledger, seed):
    post, chance = Post.of(ledger.outbox, *ROUTES, repeat_after=5 * MINUTE), random.Random(seed)
    now, under_way = DECIDED, list[OutgoingMessage]()

    for _ in range(60):
        now += chance.choice((SECOND, 20 * SECOND, 3 * MINUTE))
        _something_happens(post, chance, now, under_way)

        assert _queued(ledger) == _derived(ledger)


def _something_happens(post: Post, chance: random.Random, now: datetime, under_way: list[OutgoingMessage]) -> None:
    name, outbox = chance.choice(NAMES), post.outbox
    match chance.randrange(8):
        case 0 | 1 | 2:
            severity = chance.choice(tuple(Severity))
            outbox.raise_alert(an_alert(name, severity=severity, lasting=name in "abc", raised_at=now))
        case 3:
            outbox.resolve(name, "over", now)
        case 4:
            try:
                outbox.acknowledge(chance.randint(1, 6), actor="Ada", note="", now=now)
            except InvalidValue:  # there is none yet, or it was before
                return
        case 5 | 6:
            if message := post.take(now, chance.randrange(len(ROUTES))):
                under_way.append(message)
        case _:
            if under_way:
                message = under_way.pop(chance.randrange(len(under_way)))
                delivered = chance.choice((True, False, None))
                outbox.record(message, post.policy, delivered=delivered, text="", now=now)


def _rows(ledger, sql: str) -> list[tuple]:
    with ledger.engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(sql)]


def _queued(ledger) -> set[Row]:
    return set(_rows(ledger, "SELECT alert_id, kind, number, channel, tries FROM alert_queue"))


def _derived(ledger) -> set[Row]:
    over = {alert for (alert,) in _rows(ledger, "SELECT alert_id FROM alert_resolution")}
    seen = {alert for (alert,) in _rows(ledger, "SELECT alert_id FROM alert_acknowledgement")}
    notices = _rows(ledger, "SELECT alert_id, kind, number, channels, decided_at FROM alert_notice")
    return _undecided(ledger, over, seen, notices) | _untold(ledger, over, seen, notices)


def _undecided(ledger, over: set[int], seen: set[int], notices: list[tuple]) -> set[Row]:
    """Return what nobody has been chosen for yet."""
    decided = {(alert, kind) for alert, kind, *_ in notices}
    repeated = {alert: max(n[4] for n in notices if n[:2] == (alert, "repeated")) for alert, kind in decided
                if kind == "repeated"}  # fmt: skip
    alerts = [alert for (alert,) in _rows(ledger, "SELECT id FROM alert")]
    repeats = _rows(ledger, "SELECT r.alert_id, r.raised_at FROM alert_repeat r JOIN alert a ON a.id = r.alert_id "
                            "WHERE a.lasting")  # fmt: skip
    return (
        {(alert, "raised", 0, "", 0) for alert in alerts if alert not in over and (alert, "raised") not in decided}
        | {(alert, "resolved", 0, "", 0) for alert in over if (alert, "resolved") not in decided}
        | {(alert, "repeated", 0, "", 0) for alert, raised_at in repeats
           if alert not in over | seen and (alert not in repeated or raised_at > repeated[alert])}
    )  # fmt: skip


def _untold(ledger, over: set[int], seen: set[int], notices: list[tuple]) -> set[Row]:
    """Return what was decided, and is neither taken nor withdrawn."""
    parts = _rows(ledger, "SELECT p.alert_id, p.kind, p.number, m.channel, m.id FROM alert_message_part p "
                          "JOIN alert_message m ON m.id = p.message_id")  # fmt: skip
    answers = dict(_rows(ledger, "SELECT message_id, delivered FROM alert_receipt ORDER BY id"))
    found = set()
    for alert, kind, number, channels, _ in notices:
        is_needless = (alert in over and kind != "resolved") or (alert in seen and kind in ("repeated", "escalated"))
        for channel in channels if isinstance(channels, list) else json.loads(channels):
            mine = [message for *part, message in parts if part == [alert, kind, number, channel]]
            is_under_way = any(message not in answers for message in mine)
            is_taken = any(answers.get(message) for message in mine)
            if is_under_way or not (is_taken or is_needless):
                found.add((alert, kind, number, channel, sum(message in answers for message in mine)))
    return found
