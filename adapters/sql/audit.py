"""The audit trail: what persons did, each entry chained to the one before by its hash."""

import hashlib
import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from adapters.sql.engine import reading
from adapters.sql.rows import table_of
from adapters.sql.tables import AuditEntryRow

AUDIT = table_of(AuditEntryRow)


def append_audit(connection: sa.Connection, *, actor: str, action: str, text: str, now: datetime) -> None:
    """Append one entry in the caller's transaction."""
    last = connection.execute(sa.select(AUDIT).order_by(AUDIT.c.seq.desc()).limit(1).with_for_update()).first()
    entry = {
        "seq": last.seq + 1 if last else 1,
        "entered_at": now,
        "actor": actor,
        "action": action,
        "text": text,
        "previous_hash": last.entry_hash if last else "",
    }
    connection.execute(sa.insert(AUDIT).values(**entry, entry_hash=_hash(entry)))


def first_broken_entry(engine: sa.Engine) -> int | None:
    """Return the number of the first entry that was changed, removed or put in between, or None when all hold."""
    previous, wanted_seq = "", 1
    with reading(engine) as connection:
        for row in connection.execute(sa.select(AUDIT).order_by(AUDIT.c.seq)):
            entry = {k: v for k, v in row._mapping.items() if k != "entry_hash"}
            if row.seq != wanted_seq or row.previous_hash != previous or row.entry_hash != _hash(entry):
                return wanted_seq
            previous, wanted_seq = row.entry_hash, wanted_seq + 1
    return None


def _hash(entry: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entry, default=str, sort_keys=True).encode()).hexdigest()
