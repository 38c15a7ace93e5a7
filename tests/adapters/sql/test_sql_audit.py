"""What persons did cannot be changed unseen."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from adapters.sql.audit import append_audit, first_broken_entry
from tests.builders import CLOSE, DECIDED

NEW_YORK = ZoneInfo("America/New_York")
SAME = "entered_at, actor, action, text"


@pytest.fixture
def audited(ledger):
    """A ledger with four entries: halted, resumed, armed, halted."""
    ledger.halts.halt("desk", "fire", "Ada", DECIDED)
    ledger.halts.resume("desk", "fire is out", "Grace", CLOSE)
    with ledger.engine.begin() as connection:
        append_audit(connection, actor="Ada", action="arm DU100", text="for an hour", now=CLOSE)
    ledger.halts.halt("DU100", "loss", "loss breaker", CLOSE)
    return ledger


class TestAudit:
    def test_halts_and_resumptions_are_written_with_who_and_why(self, audited):
        with audited.engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT seq, actor, action, text FROM audit_entry ORDER BY seq").all()

        assert [tuple(row) for row in rows] == [
            (1, "Ada", "halt desk", "fire"),
            (2, "Grace", "resume desk", "fire is out"),
            (3, "Ada", "arm DU100", "for an hour"),
            (4, "loss breaker", "halt DU100", "loss"),
        ]

    def test_an_honest_trail_holds(self, audited):
        assert first_broken_entry(audited.engine) is None

    def test_an_empty_trail_holds(self, ledger):
        assert first_broken_entry(ledger.engine) is None

    def test_a_trail_holds_wherever_its_clock_was(self, ledger):
        ledger.halts.halt("desk", "fire", "Ada", datetime(2024, 3, 15, 9, 0, tzinfo=NEW_YORK))

        assert first_broken_entry(ledger.engine) is None

    @pytest.mark.parametrize(
        ("statements", "broken"),
        [
            (["UPDATE audit_entry SET actor = 'Eve' WHERE seq = 2"], 2),
            (["UPDATE audit_entry SET text = 'nothing' WHERE seq = 1"], 1),
            (["UPDATE audit_entry SET action = 'resume desk' WHERE seq = 4"], 4),
            (["UPDATE audit_entry SET entered_at = '2024-03-14 00:00:00.000000' WHERE seq = 3"], 3),
            (["UPDATE audit_entry SET entry_hash = 'x' WHERE seq = 2"], 2),
            (["DELETE FROM audit_entry WHERE seq = 1"], 1),
            (["DELETE FROM audit_entry WHERE seq = 3"], 3),
            (["DELETE FROM audit_entry WHERE seq = 3", "UPDATE audit_entry SET seq = 3 WHERE seq = 4"], 3),
            (["DELETE FROM audit_entry WHERE seq = 4"], 4),  # the chain up to 3 is whole
            (["DELETE FROM audit_entry"], 1),
            ([f"INSERT INTO audit_entry SELECT 5, {SAME}, '', '' FROM audit_entry WHERE seq = 1"], 5),
            (
                [
                    "UPDATE audit_entry SET seq = 5 WHERE seq = 4",
                    f"INSERT INTO audit_entry SELECT 4, {SAME}, entry_hash, '' FROM audit_entry WHERE seq = 3",
                ],
                4,
            ),
        ],
    )  # fmt: skip
    def test_an_entry_that_was_changed_removed_or_put_in_is_found(self, audited, statements, broken):
        for statement in statements:
            audited.tamper(statement)

        assert first_broken_entry(audited.engine) == broken

    @pytest.mark.parametrize(
        ("statement", "broken"),
        [
            ("UPDATE halt SET halted = false WHERE id = 3", 4),
            ("UPDATE halt SET cause = 'nothing' WHERE id = 1", 1),
            ("DELETE FROM halt WHERE id = 2", 2),
            ("DELETE FROM halt WHERE id = 3", 4),
            ("INSERT INTO halt (scope, halted, cause, actor, changed_at) "
             "SELECT 'DU100', false, 'secretly', 'Eve', changed_at FROM halt WHERE id = 1", 5),
        ],
    )  # fmt: skip
    def test_a_halt_that_was_lifted_behind_the_trail_is_found(self, audited, statement, broken):
        audited.tamper(statement)

        assert first_broken_entry(audited.engine) == broken
