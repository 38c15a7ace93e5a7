"""What persons say of bars, in SQL; each word stands in the audit trail too."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from adapters.sql.audit import append_audit
from adapters.sql.engine import reading, writing
from adapters.sql.market_tables import BarRepairRow, FindingAcceptanceRow, SymbolHoldRow
from adapters.sql.rows import table_of
from trading.errors import InvalidValue
from trading.market.quality import Rule
from trading.market.repairs import Acceptance, BarField, Repair, SymbolHold

REPAIR, HOLD, ACCEPTANCE = table_of(BarRepairRow), table_of(SymbolHoldRow), table_of(FindingAcceptanceRow)


class SqlRepairs:
    """Repairs, holds and acceptances of all sources of one ledger."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def repair(self, repairs: Sequence[Repair]) -> None:
        """Record repairs, all or none.

        Raises:
            InvalidValue: no reason was given; nothing was written.
        """
        with writing(self._engine) as connection:
            for repair in repairs:
                _require_reason(repair.reason)
                row = asdict(repair) | {"field": repair.field.value}
                connection.execute(sa.insert(REPAIR).values(**row))
                action = f"repair {repair.source} {repair.symbol} {repair.session} {repair.field}"
                text = f"{repair.before} becomes {repair.after}: {repair.reason}"
                append_audit(connection, actor=repair.actor, action=action, text=text, now=repair.repaired_at)

    def hold(self, hold: SymbolHold) -> None:
        """Put a symbol into quarantine, or end it.

        Raises:
            InvalidValue: no reason was given; nothing was written.
        """
        _require_reason(hold.reason)
        with writing(self._engine) as connection:
            connection.execute(sa.insert(HOLD).values(**asdict(hold)))
            action = f"{'quarantine' if hold.held else 'release'} {hold.source} {hold.symbol}"
            append_audit(connection, actor=hold.actor, action=action, text=hold.reason, now=hold.changed_at)

    def accept(self, acceptances: Sequence[Acceptance]) -> None:
        """Record that findings are true, all or none.

        Raises:
            InvalidValue: no reason was given; nothing was written.
        """
        with writing(self._engine) as connection:
            for word in acceptances:
                _require_reason(word.reason)
                connection.execute(sa.insert(ACCEPTANCE).values(**asdict(word) | {"rule": word.rule.value}))
                action = f"accept {word.source} {word.symbol} {word.rule} from {word.first} to {word.last}"
                append_audit(connection, actor=word.actor, action=action, text=word.reason, now=word.accepted_at)

    def repairs(self, source: str, known_at: datetime | None = None) -> tuple[Repair, ...]:
        """Return the repairs of a source, oldest first; those known at that time, or all."""
        wanted = sa.select(REPAIR).where(REPAIR.c.source == source).order_by(REPAIR.c.id)
        if known_at is not None:
            wanted = wanted.where(REPAIR.c.repaired_at <= known_at)
        with reading(self._engine) as connection:
            rows = [row._mapping for row in connection.execute(wanted)]
        return tuple(
            Repair(**{n: v for n, v in row.items() if n not in ("id", "field")}, field=BarField(row["field"]))
            for row in rows
        )

    def holds(self, source: str) -> tuple[SymbolHold, ...]:
        """Return who holds which symbols back now, by symbol."""
        last = sa.select(sa.func.max(HOLD.c.id)).where(HOLD.c.source == source).group_by(HOLD.c.symbol)
        wanted = sa.select(HOLD).where(HOLD.c.id.in_(last), HOLD.c.held).order_by(HOLD.c.symbol)
        with reading(self._engine) as connection:
            rows = [row._mapping for row in connection.execute(wanted)]
        return tuple(SymbolHold(**{name: value for name, value in row.items() if name != "id"}) for row in rows)

    def acceptances(self, source: str) -> tuple[Acceptance, ...]:
        """Return what was found true of a source, oldest first."""
        wanted = sa.select(ACCEPTANCE).where(ACCEPTANCE.c.source == source).order_by(ACCEPTANCE.c.id)
        with reading(self._engine) as connection:
            rows = [row._mapping for row in connection.execute(wanted)]
        return tuple(
            Acceptance(**{n: v for n, v in row.items() if n not in ("id", "rule")}, rule=Rule(row["rule"]))
            for row in rows
        )


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise InvalidValue("reason", reason, "a sentence that says why; it is kept")
