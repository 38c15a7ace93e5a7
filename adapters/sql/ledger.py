"""The ledger: all its parts on one engine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import sqlalchemy as sa

from adapters.sql.approvals import SqlApprovals
from adapters.sql.arming import SqlArming
from adapters.sql.backfills import SqlBackfills
from adapters.sql.books import SqlFacts
from adapters.sql.breakers import SqlBreakers
from adapters.sql.broker_sessions import SqlBrokerSessions
from adapters.sql.clearances import SqlClearances
from adapters.sql.feed_verdicts import SqlFeedVerdicts
from adapters.sql.halts import SqlHalts
from adapters.sql.journal import SqlJournal
from adapters.sql.leases import SqlLeases
from adapters.sql.ledger_place import LedgerPlace as LedgerPlace
from adapters.sql.ledger_place import Place as Place
from adapters.sql.outbox import SqlOutbox
from adapters.sql.providers import SqlProviders
from adapters.sql.repairs import SqlRepairs
from adapters.sql.risk_reports import SqlRiskReports
from adapters.sql.schema import require_schema
from adapters.sql.watches import SqlWatches
from trading.ledger import Facts, Journal, Leases, Outbox
from trading.market.providers import ProviderTrail


def interfaces_of(ledger: "Ledger") -> tuple[Leases, Journal, Facts, Outbox, ProviderTrail]:
    """Return the parts by their interfaces; here the type checker holds the one against the other."""
    return ledger.leases, ledger.journal, ledger.facts, ledger.outbox, ledger.providers


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The ledger's parts, on one engine."""

    engine: sa.Engine
    leases: SqlLeases
    journal: SqlJournal
    facts: SqlFacts
    halts: SqlHalts
    breakers: SqlBreakers
    approvals: SqlApprovals
    clearances: SqlClearances
    arming: SqlArming
    broker_sessions: SqlBrokerSessions
    outbox: SqlOutbox
    providers: SqlProviders
    repairs: SqlRepairs
    backfills: SqlBackfills
    feeds: SqlFeedVerdicts
    risk_reports: SqlRiskReports
    watches: SqlWatches

    @classmethod
    def of(cls, place: Place) -> Self:
        """Open the ledger.

        Raises:
            SchemaMismatch: it has not been migrated to this version.
            LedgerUnavailable: it cannot be read.
        """
        engine = place.engine()
        require_schema(engine)
        return cls.on(engine, place.stop_file)

    @classmethod
    def on(cls, engine: sa.Engine, stop_file: Path) -> Self:
        """Open the ledger on an engine whose schema is known to be of this version."""
        return cls(
            engine=engine,
            leases=SqlLeases(engine),
            journal=SqlJournal(engine, stop_file=stop_file),
            facts=SqlFacts(engine),
            halts=SqlHalts(engine, stop_file=stop_file),
            breakers=SqlBreakers(engine),
            approvals=SqlApprovals(engine),
            clearances=SqlClearances(engine),
            arming=SqlArming(engine),
            broker_sessions=SqlBrokerSessions(engine),
            outbox=SqlOutbox(engine),
            providers=SqlProviders(engine),
            repairs=SqlRepairs(engine),
            backfills=SqlBackfills(engine),
            feeds=SqlFeedVerdicts(engine),
            risk_reports=SqlRiskReports(engine),
            watches=SqlWatches(engine),
        )
