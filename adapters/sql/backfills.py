"""The queue of bars that are wanted, in SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from adapters.sql.engine import reading, writing
from adapters.sql.market_tables import BackfillRequestRow
from adapters.sql.rows import flat, insert_new, table_of
from trading.market.backfills import BackfillRequest, Why

REQUEST = table_of(BackfillRequestRow)
_SAME = (
    (REQUEST.c.source == sa.bindparam("of_source"))
    & (REQUEST.c.symbol == sa.bindparam("of_symbol"))
    & (REQUEST.c.first == sa.bindparam("of_first"))
    & (REQUEST.c.last == sa.bindparam("of_last"))
)


class SqlBackfills:
    """The requests of all sources of one ledger. A request is queued once, and its row tells what became of it."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def queue(self, requests: Sequence[BackfillRequest], now: datetime) -> int:
        """Add the requests that are not there yet, and return how many that were.

        A gap that a person asks for by its range is from then on asked for.
        """
        rows = [flat(request) | {"queued_at": now, "done_at": None} for request in requests]
        asked = [_key(request) for request in requests if request.why is Why.ASKED]
        with writing(self._engine) as connection:
            added = insert_new(connection, BackfillRequestRow, rows)
            if asked:
                update = sa.update(REQUEST).where(_SAME, REQUEST.c.why == Why.GAP.value)
                connection.execute(update.values(why=Why.ASKED.value), asked)
        return added

    def open(self, source: str, *, among: Sequence[BackfillRequest] | None = None) -> tuple[BackfillRequest, ...]:
        """Return what is neither done nor given up, the least tried first, then in the order of symbols.

        Args:
            among: only these; None for all of the source.
        """
        wanted = sa.select(REQUEST).where(REQUEST.c.source == source, REQUEST.c.done_at.is_(None))
        order = (REQUEST.c.attempts, REQUEST.c.symbol, REQUEST.c.first)
        with reading(self._engine) as connection:
            found = [_request_of(row) for row in connection.execute(wanted.order_by(*order))]
        keys = {request.key for request in (found if among is None else among)}
        return tuple(request for request in found if request.key in keys and not request.given_up)

    def record(self, filled: Sequence[BackfillRequest], tried: Sequence[BackfillRequest], now: datetime) -> None:
        """Write what became of requests: some are filled, the others have been tried once more."""
        with writing(self._engine) as connection:
            if filled:
                done = sa.update(REQUEST).where(_SAME).values(done_at=now)
                connection.execute(done, [_key(request) for request in filled])
            if tried:
                again = sa.update(REQUEST).where(_SAME)
                again = again.values(attempts=sa.bindparam("new_attempts"), said=sa.bindparam("new_said"))
                values = [_key(r) | {"new_attempts": r.attempts, "new_said": r.said} for r in tried]
                connection.execute(again, values)


def _key(request: BackfillRequest) -> dict[str, Any]:
    return {f"of_{name}": getattr(request, name) for name in ("source", "symbol", "first", "last")}


def _request_of(row: sa.Row[Any]) -> BackfillRequest:
    return BackfillRequest(
        source=row.source,
        symbol=row.symbol,
        first=row.first,
        last=row.last,
        why=Why(row.why),
        attempts=row.attempts,
        said=row.said,
    )
