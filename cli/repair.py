"""Bars and persons: see what the quality gate says, quarantine, repair, release; each by name and reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trading.errors import InvalidValue, TradingError
from trading.market.bars import FetchedBars
from trading.market.quality import Finding, FindingSeverity, QualityReport, Rule, SymbolVerdict
from trading.market.repairs import ACCEPTABLE, Acceptance, BarField, Repair, SymbolHold

if TYPE_CHECKING:
    from adapters.sql.ledger import Ledger

PRICES = (BarField.OPEN, BarField.HIGH, BarField.LOW, BarField.CLOSE)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was checked last of a source.

    Attributes:
        fetched: as the source gave it; None when it is not kept any more.
    """

    report: QualityReport
    fetched: FetchedBars | None

    @classmethod
    def of(cls, ledger: "Ledger", home: Path, source: str | None, session: date | None) -> "Checked":
        """Return it.

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
        return cls(report=report, fetched=load_fetched(path) if path.exists() else None)

    def require(self, symbol: str) -> None:
        """Raise InvalidValue when the symbol was not asked for."""
        if symbol not in dict(self.report.symbols):
            rule = f"one of the {len(self.report.symbols)} that {self.report.source} was asked for"
            raise InvalidValue("symbol", symbol, rule)

    def findings(self, symbol: str) -> list[Finding]:
        """Return the findings on a symbol."""
        return [finding for finding in self.report.findings if finding.symbol == symbol]

    def sessions(self, symbol: str, first: date, last: date | None) -> list[date]:
        """Return the sessions meant: one, or those of a range that the symbol has bars of.

        Raises:
            InvalidValue: it has none in the range.
        """
        if last is None:
            return [first]
        if self.fetched is None:
            raise InvalidValue("--until", str(last), "left out, as what the source gave is not kept any more")
        frame = self.fetched.bars.frame
        days = sorted({day.date() for day in frame.loc[frame["symbol"] == symbol, "session"]})
        found = [day for day in days if first <= day <= last]
        if not found:
            raise InvalidValue("--until", str(last), f"the end of a range with bars of {symbol}, from {days[0]} on")
        return found

    def value(self, symbol: str, session: date, field: BarField) -> Decimal | None:
        """Return what the source gave, None where it gave nothing."""
        if self.fetched is None or field not in (*PRICES, BarField.VOLUME):
            return None
        frame = self.fetched.bars.on(session)
        return Decimal(str(frame.loc[[symbol], field.value].iloc[0])) if symbol in frame.index else None


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


def finding_rows(checked: Checked, symbol: str) -> list[dict[str, Any]]:
    """Return one row for each finding on a symbol."""
    return [
        {"rule": f.rule.value, "severity": f.severity.value, "session": f.session, "text": f.text}
        for f in checked.findings(symbol)
    ]


def bar_rows(checked: Checked, symbol: str) -> list[dict[str, Any]]:
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


def quarantine(ledger: "Ledger", checked: Checked, symbol: str, *, actor: str, reason: str, now: datetime) -> None:
    """Hold a symbol back: from now on by every check, and at once by the verdict that the next session is traded on."""
    checked.require(symbol)
    report = checked.report
    hold = SymbolHold(source=report.source, symbol=symbol, held=True, actor=actor, reason=reason, changed_at=now)
    ledger.repairs.hold(hold)
    held = SymbolVerdict.QUARANTINE
    ledger.facts.record_quality(
        replace(
            report,
            symbols=tuple((name, held if name == symbol else verdict) for name, verdict in report.symbols),
            findings=(*report.findings, hold.finding()),
            checked_at=now,
        )
    )


def repairs_of(
    checked: Checked,
    symbol: str,
    sessions: Sequence[date],
    values: Mapping[BarField, Decimal],
    times: Decimal | None,
    *,
    actor: str,
    reason: str,
    now: datetime,
) -> list[Repair]:
    """Return the repairs that a person means: the values named, or all prices of these sessions times a factor.

    Raises:
        InvalidValue: nothing or both is named, or there is no price to be multiplied.
    """
    checked.require(symbol)
    if sessions[-1] > checked.report.session:
        rule = f"not after {checked.report.session}, the session that was checked last"
        raise InvalidValue("session", str(sessions[-1]), rule)
    if bool(values) == (times is not None):
        raise InvalidValue("repair", "nothing" if not values else "both", "values such as --close 12.5, or --times 100")

    def one(session: date, field: BarField, after: Decimal) -> Repair:
        return Repair(
            source=checked.report.source,
            symbol=symbol,
            session=session,
            field=field,
            before=checked.value(symbol, session, field),
            after=after,
            actor=actor,
            reason=reason,
            repaired_at=now,
        )

    if times is None:
        return [one(session, field, after) for session in sessions for field, after in values.items()]
    given = {(s, f): px for s in sessions for f in PRICES if (px := checked.value(symbol, s, f)) and px.is_finite()}
    if missing := [session for session in sessions if (session, BarField.CLOSE) not in given]:
        raise InvalidValue(
            "session", str(missing[0]), f"one whose bar {checked.report.source} gave lately; name values"
        )
    return [one(session, field, px * times) for (session, field), px in given.items()]


def release(
    ledger: "Ledger",
    checked: Checked,
    symbol: str,
    rules: Sequence[Rule],
    *,
    actor: str,
    reason: str,
    now: datetime,
) -> None:
    """End a person's quarantine, and record which broken rules are true; whether it passes, a new check says.

    Raises:
        InvalidValue: a rule is named that the symbol does not break, or that no word of a person can mend.
    """
    checked.require(symbol)
    source = checked.report.source
    begins = {f.rule: f.session for f in checked.findings(symbol) if f.session is not None and f.rule in ACCEPTABLE}
    for rule in rules:
        if rule not in begins:
            names = ", ".join(sorted(begins)) or "none"
            raise InvalidValue("--accept", rule.value, f"a rule that {symbol} breaks, and that may be true: {names}")
    if any(hold.symbol == symbol for hold in ledger.repairs.holds(source)):
        ledger.repairs.hold(
            SymbolHold(source=source, symbol=symbol, held=False, actor=actor, reason=reason, changed_at=now)
        )
    ledger.repairs.accept(
        [
            Acceptance(
                source=source,
                symbol=symbol,
                rule=rule,
                first=begins[rule],
                last=checked.report.session,
                actor=actor,
                reason=reason,
                accepted_at=now,
            )
            for rule in rules
        ]
    )


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
