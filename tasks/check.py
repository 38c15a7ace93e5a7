"""Check fetched bars."""

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from adapters.gx_bar_suite import GxBarSuite, GxFailure
from adapters.staged_bars import load_fetched
from blocks.desk import Ledger, Market
from blocks.desk_storage import DeskStorage
from tasks.publish import publish_markdown, publish_table
from trading.market.bar_checks import Assessment, assess_bars, restated
from trading.market.bars import DailyBars, FetchedBars
from trading.market.quality import Finding, FindingSeverity, QualityPolicy, QualityReport, Rule, SymbolVerdict
from trading.market.scores import symbol_scores

CRITICAL = FindingSeverity.CRITICAL
KEPT_PAGES = 20  # sessions with Data Docs; the ledger keeps all findings for ever
_BEFORE_DAYS = 14  # in which an exchange trades, whatever the holidays


@task(name="check_bars", timeout_seconds=900, cache_policy=NO_CACHE)
async def check(
    market: Market,
    storage: DeskStorage,
    ledger: Ledger,
    path: Path,
    session: date,
    now: datetime,
    differences: Sequence[Finding] = (),
) -> QualityReport:
    """Check every bar of the staged file in one pass, and publish the verdicts.

    Great Expectations runs the same rules over the same batch, as the contract and its record; a bar that it alone
    finds bad is bad. What a person has found true warns only, and what a person holds back is quarantined.
    """
    docs = _pages_of(storage.docs_folder / market.settings.name, session)
    assessed, docs_path = judge(market, ledger, load_fetched(path), session, now, docs, differences)
    await _publish(market, assessed, docs_path)
    return assessed.report


def judge(
    market: Market,
    ledger: Ledger,
    fetched: FetchedBars,
    session: date,
    now: datetime,
    docs: Path | None = None,
    differences: Sequence[Finding] = (),
) -> tuple[Assessment, Path | None]:
    """Return the verdict on bars up to the session, and where the page about it is.

    Args:
        docs: an empty folder; without one no page is written.
    """
    fetched = _until(fetched, session)
    sessions = fetched.bars.frame["session"].dropna()
    first = sessions.min().date() if len(sessions) else session
    policy, calendar = market.settings.quality, market.calendar
    expectations = GxBarSuite(policy, calendar, docs).validate(fetched, first, session, now=now)
    source, known = market.settings.name, {outcome.symbol for outcome in fetched.outcomes}
    beside = [*differences, *restated(fetched.bars, _stored_around(market, fetched.bars, first), policy)]
    beside += [hold.finding() for hold in ledger.repairs.holds(source) if hold.symbol in known]
    true = ledger.repairs.acceptances(source)
    held_against = partial(
        assess_bars,
        fetched,
        calendar=calendar,
        first=first,
        session=session,
        policy=policy,
        now=now,
        acceptances=true,
    )
    assessed = held_against(second_reader=beside)
    bad = assessed.report.quarantined()
    unseen = [f for f in expectations.failures if f.severity is CRITICAL and f.symbol not in bad]
    unseen = [f for f in unseen if not any(word.covers(f.rule, f.symbol, f.session) for word in true)]
    if unseen:
        assessed = held_against(second_reader=[*beside, *map(_finding, unseen)])
    return assessed, expectations.docs_path


def _stored_around(market: Market, bars: DailyBars, first: date) -> DailyBars:
    """Return what is stored around the oldest bar of each symbol, and just before the oldest of all."""
    oldest = bars.frame.groupby("symbol")["session"].min().dropna()
    last = oldest.max().date() if len(oldest) else first
    return market.store.read(market.settings.name, list(oldest.index), first - timedelta(days=_BEFORE_DAYS), last)


def _finding(failure: GxFailure) -> Finding:
    return Finding(
        rule=failure.rule,
        severity=failure.severity,
        symbol=failure.symbol,
        session=failure.session,
        value="",
        limit="",
        text=f"{failure.symbol} on {failure.session}: {failure.rule}, found by Great Expectations alone",
    )


def _until(fetched: FetchedBars, session: date) -> FetchedBars:
    """Leave out the actions announced for later: no bar can bear them out yet."""
    return replace(fetched, actions=tuple(a for a in fetched.actions if a.ex_date <= session))


def _pages_of(folder: Path, session: date) -> Path:
    """Return an empty folder for the session's pages, and forget those of the oldest: each holds 4 MB of styles."""
    pages = folder / session.isoformat()
    shutil.rmtree(pages, ignore_errors=True)
    for old in sorted(folder.glob("????-??-??"))[: -KEPT_PAGES + 1]:
        shutil.rmtree(old, ignore_errors=True)
    return pages


async def _publish(market: Market, assessed: Assessment, docs: Path | None) -> None:
    report = assessed.report
    verdicts = [verdict for _, verdict in report.symbols]
    counts = ", ".join(f"{verdicts.count(v)} {v.value}" for v in SymbolVerdict)
    lines = [
        f"## {report.source} for {report.session}: {report.day_verdict.upper()}",
        f"{report.rows:,} bars of {len(verdicts)} symbols: {counts}. Verdict `{report.verdict_id}`.",
    ]
    if stood_in := Counter(f.value for f in report.findings if f.rule is Rule.FALLBACK):
        lines.append("Stood in: " + ", ".join(f"{name} for {count} symbols" for name, count in stood_in.items()) + ".")
    if docs is not None:
        lines.append(f"Data Docs: `{docs}`")
    await publish_markdown("quality-verdict", "\n\n".join(lines), "Whether the bars may be traded on")
    rows = [
        {
            "symbol": f.symbol,
            "rule": f.rule.value,
            "severity": f.severity.value,
            "session": str(f.session or ""),
            "value": f.value,
            "limit": f.limit,
            "what": f.text,
        }
        for f in report.findings
    ]
    await publish_table("quality-findings", rows, f"Findings in {market.settings.name}")
    await publish_table("quality-scores", _scores(assessed, market.settings.quality), "Symbols with a score below 1")


def _scores(assessed: Assessment, policy: QualityPolicy) -> list[dict[str, str | float | int]]:
    verdicts, bars = dict(assessed.report.symbols), assessed.low_bars.groupby("symbol")["score"].agg(["size", "min"])
    rows: list[dict[str, str | float | int]] = []
    scores = symbol_scores(verdicts, assessed.report.findings, policy).values()
    for scored in sorted(scores, key=lambda scored: (scored.score, scored.symbol)):
        if scored.costs:
            low = bars.loc[scored.symbol] if scored.symbol in bars.index else None
            rows.append(
                {
                    "symbol": scored.symbol,
                    "verdict": verdicts[scored.symbol].value,
                    "score": scored.score,
                    "costs": scored.told(),
                    "bars below 1": 0 if low is None else int(low["size"]),
                    "lowest bar": 1.0 if low is None else float(low["min"]),
                }
            )
    return rows
