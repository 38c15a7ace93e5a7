"""Verdicts on quotes, chains and minute bars, in SQL."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import sqlalchemy as sa

from adapters.sql.engine import reading, writing
from adapters.sql.market_tables import FeedVerdictRow
from adapters.sql.rows import json_value, table_of
from trading.market.feed_verdicts import FeedKind, FeedVerdict
from trading.market.quality import Finding, FindingSeverity, Rule, SymbolVerdict
from trading.options.chain_quality import ChainRule

VERDICT = table_of(FeedVerdictRow)


class SqlFeedVerdicts:
    """The verdicts on all feeds of one ledger; they are only ever appended."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def record(self, verdict: FeedVerdict) -> None:
        """Append a verdict."""
        row = {
            "kind": verdict.kind.value,
            "source": verdict.source,
            "session": verdict.session,
            "verdicts": json_value(verdict.verdicts),
            "findings": json_value(verdict.findings),
            "checked_at": verdict.checked_at,
        }
        with writing(self._engine) as connection:
            connection.execute(sa.insert(VERDICT), row)

    def last(self, kind: FeedKind, source: str, symbol: str) -> FeedVerdict | None:
        """Return the last verdict in which the symbol was judged, whole; None when it never was."""
        judged = sa.func.json_each(VERDICT.c.verdicts).table_valued("key")  # SQLite and PostgreSQL name it alike
        wanted = sa.select(VERDICT).where(
            VERDICT.c.kind == kind.value,
            VERDICT.c.source == source,
            sa.exists(sa.select(1).select_from(judged).where(judged.c.key == symbol).correlate(VERDICT)),
        )
        with reading(self._engine) as connection:
            row = connection.execute(wanted.order_by(VERDICT.c.id.desc()).limit(1)).first()
        return None if row is None else _verdict_of(row)


def _verdict_of(row: sa.Row[Any]) -> FeedVerdict:
    return FeedVerdict(
        kind=FeedKind(row.kind),
        source=row.source,
        session=row.session,
        verdicts={symbol: (SymbolVerdict(word), score) for symbol, (word, score) in row.verdicts.items()},
        findings=tuple(_finding_of(value, FeedKind(row.kind)) for value in row.findings),
        checked_at=row.checked_at,
    )


def _finding_of(value: Mapping[str, Any], kind: FeedKind) -> Finding:
    word, session = value["rule"], value["session"]
    of_chain = kind is FeedKind.CHAINS and word in ChainRule.__members__
    return Finding(
        rule=ChainRule(word) if of_chain else Rule(word),
        severity=FindingSeverity(value["severity"]),
        symbol=value["symbol"],
        session=None if session is None else date.fromisoformat(session),
        value=value["value"],
        limit=value["limit"],
        text=value["text"],
    )
