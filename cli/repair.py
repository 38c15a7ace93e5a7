"""Bars and persons: see what the quality gate says, quarantine, repair, release; each by name and reason."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trading.errors import InvalidValue, TradingError
from trading.market.checked_bars import CheckedBars
from trading.market.quality import Finding, FindingSeverity, QualityReport, Rule, SymbolVerdict
from trading.market.repairs import SymbolHold

if TYPE_CHECKING:
    from adapters.sql.ledger import Ledger

_SHOWN_SESSIONS = 10


class StillQuarantined(TradingError):
    """The bars were checked anew, and did not pass."""

    def __init__(self, symbol: str, findings: Sequence[Finding]) -> None:
        self.symbol, self.findings = symbol, tuple(findings)
        why = "; ".join(finding.text for finding in findings)
        super().__init__(
            f"{symbol} stays in quarantine: {why}. Repair it, or when it is true "
            f"`openbell data release {symbol} --accept RULE`"
        )


def last_checked(ledger: "Ledger", home: Path, source: str | None, session: date | None) -> CheckedBars:
    """Return what was checked last of a source.

    Raises:
        InvalidValue: nothing like that was checked.
    """
    from adapters.staged_bars import load_fetched

    known = ledger.facts.last_checked()
    name = source or (next(iter(known)) if len(known) == 1 else "")
    if name not in known:
        there = ", ".join(known) or "none was checked yet; run ingest_bars"
        raise InvalidValue("--source", source, f"a source that was checked: {there}")
    report = ledger.facts.quality(name, session or known[name])
    if report is None:
        raise InvalidValue("--session", str(session), f"one that was checked; the newest is {known[name]}")
    path = home / "checked" / f"{name}-{report.session}.parquet"
    return CheckedBars(report=report, fetched=load_fetched(path) if path.exists() else None)


def verdict_rows(report: QualityReport) -> list[dict[str, Any]]:
    """Return one row for each symbol that did not simply pass, the quarantined first."""
    bad_first = sorted(report.symbols, key=lambda pair: (pair[1] is not SymbolVerdict.QUARANTINE, pair[0]))
    return [
        {
            "symbol": symbol,
            "verdict": verdict.value,
            "findings": "; ".join(f.text for f in report.findings if f.symbol == symbol),
        }
        for symbol, verdict in bad_first
        if verdict is not SymbolVerdict.PASS
    ]


def finding_rows(checked: CheckedBars, symbol: str) -> list[dict[str, Any]]:
    """Return one row for each finding on a symbol."""
    return [
        {"rule": f.rule.value, "severity": f.severity.value, "session": f.session, "text": f.text}
        for f in checked.findings(symbol)
    ]


def bar_rows(checked: CheckedBars, symbol: str) -> list[dict[str, Any]]:
    """Return the last bars of a symbol as its source gave them."""
    if checked.fetched is None:
        return []
    frame = checked.fetched.bars.frame
    rows = frame[frame["symbol"] == symbol].tail(_SHOWN_SESSIONS)
    return [{**row, "session": f"{row['session']:%Y-%m-%d}"} for row in rows.to_dict("records")]


def word_rows(ledger: "Ledger", source: str, symbol: str) -> list[dict[str, Any]]:
    """Return what persons have said of a symbol, oldest first."""
    words: list[dict[str, Any]] = [
        _word(r.repaired_at, r.actor, f"{r.session} {r.field}: {r.before} becomes {r.after}", r.reason)
        for r in ledger.repairs.repairs(source)
        if r.symbol == symbol
    ]
    words += [
        _word(a.accepted_at, a.actor, f"{a.rule} is true from {a.first} to {a.last}", a.reason)
        for a in ledger.repairs.acceptances(source)
        if a.symbol == symbol
    ]
    words += [
        _word(h.changed_at, h.actor, "quarantined", h.reason)
        for h in ledger.repairs.holds(source)
        if h.symbol == symbol
    ]
    return sorted(words, key=lambda word: word["at"])


def _word(at: datetime, actor: str, what: str, reason: str) -> dict[str, Any]:
    return {"at": at, "who": actor, "what": what, "why": reason}


def quarantine(ledger: "Ledger", checked: CheckedBars, symbol: str, *, actor: str, reason: str, now: datetime) -> None:
    """Hold a symbol back: from now on by every check, and at once by the verdict that the next session is traded on."""
    source = checked.report.source
    hold = SymbolHold(source=source, symbol=symbol, held=True, actor=actor, reason=reason, changed_at=now)
    held_back = checked.held_back(hold)
    ledger.repairs.hold(hold)
    ledger.facts.record_quality(held_back)


def release(
    ledger: "Ledger",
    checked: CheckedBars,
    symbol: str,
    rules: Sequence[Rule],
    *,
    actor: str,
    reason: str,
    now: datetime,
) -> None:
    """End a person's quarantine, and record which broken rules are true; whether it passes, a new check says.

    Raises:
        InvalidValue: as `CheckedBars.acceptances`; nothing was recorded.
    """
    source, true = checked.report.source, checked.acceptances(symbol, rules, actor=actor, reason=reason, now=now)
    if any(hold.symbol == symbol for hold in ledger.repairs.holds(source)):
        ended = SymbolHold(source=source, symbol=symbol, held=False, actor=actor, reason=reason, changed_at=now)
        ledger.repairs.hold(ended)
    ledger.repairs.accept(true)


async def history(source: str, symbol: str, session: date, as_of: date | None) -> dict[str, list[dict[str, Any]]]:
    """Return every version of one stored bar, and the bars before it as they were known on a day."""
    from blocks.bar_source import BarSource
    from blocks.desk import Market, load, wall_clock
    from blocks.desk_storage import DeskStorage
    from tasks.recall import recall

    market = Market.of(await load(BarSource, source), await load(DeskStorage, "desk"))
    name, calendar = market.settings.name, market.calendar
    day = as_of or calendar.local_date(wall_clock())
    first = calendar.sessions_before(calendar.require_session(session), _SHOWN_SESSIONS - 1)
    known = recall(market, day, [symbol], first, session)
    return {
        f"Bars of {symbol} as known on {day}": [
            {**row, "session": f"{row['session']:%Y-%m-%d}"} for row in known.bars.frame.to_dict("records")
        ],
        f"Versions of {session}": [
            {field.name: getattr(version, field.name) for field in fields(version)}
            for version in market.store.versions(name, symbol, session)
        ],
    }


async def check_anew(ledger: "Ledger", source: str, session: date, symbol: str) -> QualityReport:
    """Check what was fetched for that session once more, by the same flow as ever, and return the verdict.

    Raises:
        StillQuarantined: the symbol does not pass.
        RunFailed: the flow failed.
    """
    from cli.rehearse import run_flow
    from flows.ingest_bars import ingest_bars

    await run_flow("ingest-bars", session, ingest_bars(session, source=source, fetch=False, return_state=True))
    report = ledger.facts.quality(source, session)
    if report is None or symbol in report.quarantined():
        found = () if report is None else report.findings
        raise StillQuarantined(
            symbol, [f for f in found if f.symbol == symbol and f.severity is FindingSeverity.CRITICAL]
        )
    return report
