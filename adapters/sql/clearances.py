"""Clearances in SQL: which differences from the broker a person has explained."""

from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa

from adapters.sql.audit import append_audit
from adapters.sql.books import break_of
from adapters.sql.engine import reading, writing
from adapters.sql.rows import insert_new, table_of
from adapters.sql.tables import BreakClearanceRow, CashMovementRow, ReconciliationRow
from trading.breaks import Break, BreakType, Clearance, symbols_locked_by, uncleared
from trading.broker import CashMovementType
from trading.errors import InvalidValue

CLEARANCE, RECONCILIATION = table_of(BreakClearanceRow), table_of(ReconciliationRow)


class SqlClearances:
    """Clearances of all accounts of one ledger."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def of(self, account: str) -> tuple[Clearance, ...]:
        """Return all clearances of the account, oldest first."""
        with reading(self._engine) as connection:
            return _clearances(connection, account)

    def open_breaks(self, account: str) -> tuple[Break, ...]:
        """Return the breaks of the last reconciliation that nobody has cleared since."""
        with reading(self._engine) as connection:
            return _open_breaks(connection, account)

    def locked(self, account: str) -> dict[str, str]:
        """Return the symbols that may not be ordered until their breaks are mended or cleared, with the reason."""
        with reading(self._engine) as connection:
            return symbols_locked(connection, account)

    def clear(self, account: str, subject: str, *, actor: str, reason: str, now: datetime) -> tuple[Break, ...]:
        """Clear the open breaks of that subject, with an entry in the audit trail each, and return them.

        A difference in cash is booked as an adjustment, so that the account is worth what its broker says.

        Raises:
            InvalidValue: nothing open has that subject, or no reason was given.
        """
        if not reason.strip():
            raise InvalidValue("reason", reason, "a sentence that explains the difference; it is kept")
        with writing(self._engine) as connection:
            open_breaks = _open_breaks(connection, account)
            cleared = tuple(b for b in open_breaks if b.subject == subject)
            if not cleared:
                known = ", ".join(sorted({b.subject for b in open_breaks})) or "none is open"
                raise InvalidValue("subject", subject, f"that of an open break of {account}: {known}")
            for found in cleared:
                _clear(connection, account, found, actor, reason, now)
        return cleared


def symbols_locked(connection: sa.Connection, account: str) -> dict[str, str]:
    """Return the symbols that breaks lock, with the reason, as this transaction sees them."""
    return symbols_locked_by(_open_breaks(connection, account))


def _clear(connection: sa.Connection, account: str, found: Break, actor: str, reason: str, now: datetime) -> None:
    difference = {
        "account": account,
        "break_type": found.break_type.value,
        "subject": found.subject,
        "ours": found.ours,
        "theirs": found.theirs,
    }
    row = difference | {"actor": actor, "reason": reason, "cleared_at": now}
    (number,) = connection.execute(sa.insert(CLEARANCE).values(**row)).inserted_primary_key or (None,)
    if found.break_type is BreakType.CASH:
        movement = {
            "account": account,
            "movement_id": f"{account}/cleared-{number}",
            "movement_type": CashMovementType.ADJUSTMENT.value,
            "amount": Decimal(found.theirs) - Decimal(found.ours),
            "currency": found.subject,
            "value_time": now,
            "symbol": None,
            "text": reason,
        }
        insert_new(connection, CashMovementRow, [movement])
    text = f"{found.text}; cleared: {reason}"
    append_audit(connection, actor=actor, action=f"clear {found.break_type} {found.subject}", text=text, now=now)


def _open_breaks(connection: sa.Connection, account: str) -> tuple[Break, ...]:
    newest = sa.select(RECONCILIATION.c.breaks).where(RECONCILIATION.c.account == account)
    breaks = connection.execute(newest.order_by(RECONCILIATION.c.id.desc()).limit(1)).scalar_one_or_none() or ()
    return uncleared([break_of(b) for b in breaks], _clearances(connection, account))


def _clearances(connection: sa.Connection, account: str) -> tuple[Clearance, ...]:
    rows = connection.execute(sa.select(CLEARANCE).where(CLEARANCE.c.account == account).order_by(CLEARANCE.c.id))
    return tuple(
        Clearance(
            account=r.account,
            break_type=BreakType(r.break_type),
            subject=r.subject,
            ours=r.ours,
            theirs=r.theirs,
            actor=r.actor,
            reason=r.reason,
            cleared_at=r.cleared_at,
        )
        for r in rows
    )
