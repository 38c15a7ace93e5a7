"""Store checked bars."""

from datetime import datetime
from pathlib import Path

import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE

from adapters.staged_bars import load_fetched
from blocks.desk import Ledger, Market, wall_clock
from blocks.desk_storage import DeskStorage
from trading.alerts import Alert, Severity
from trading.errors import StoreCorrupt
from trading.market.bar_checks import clean_actions, clean_rows
from trading.market.bars import UpsertCount
from trading.market.quality import DayVerdict, QualityReport
from trading.market.repairs import withdrawn_by


@task(name="store_bars", retries=1, retry_delay_seconds=2, timeout_seconds=600, cache_policy=NO_CACHE)
async def store(
    market: Market, storage: DeskStorage, ledger: Ledger, path: Path, report: QualityReport, now: datetime
) -> UpsertCount:
    """Store the bars that passed and put the others aside; then, and only then, let the verdict be seen.

    Everything here may be done twice.
    """
    fetched, name, known_at = load_fetched(path), market.settings.name, wall_clock()  # a rehearsal's clock is not
    if fetched.bars.content_hash() != report.bars_hash:  # when we knew
        raise StoreCorrupt(str(path), "it is not the one that was checked; run the ingestion again")
    good, bad = clean_rows(fetched, report)
    count = market.store.upsert(good, known_at=known_at)
    market.store.withdraw(name, withdrawn_by(ledger.repairs.repairs(name)), known_at)
    market.store.upsert_actions(name, clean_actions(fetched, report), known_at)
    put_aside(storage.quarantine_folder / path.name, bad.frame)
    ledger.facts.record_quality(report)
    _alert(ledger, report, now)
    return count


def put_aside(path: Path, rows: pd.DataFrame) -> None:
    """Keep rows that did not pass, for a person to look at."""
    if len(rows):
        path.parent.mkdir(parents=True, exist_ok=True)
        rows.to_parquet(path)


def _alert(ledger: Ledger, report: QualityReport, now: datetime) -> None:
    quarantined = report.quarantined()
    if not quarantined and report.day_verdict is DayVerdict.TRADE:
        return
    held = report.day_verdict is DayVerdict.HOLD
    ledger.outbox.raise_alert(
        Alert(
            fingerprint=f"quality {report.verdict_id} {now:%Y-%m-%d}",
            severity=Severity.CRITICAL if held else Severity.WARNING,
            title=f"Bars of {report.source} for {report.session}: {report.day_verdict.value}, "
            f"{len(quarantined)} symbols quarantined",
            text="\n".join(f"{symbol}: {why}" for symbol, why in quarantined.items()),
            raised_at=now,
        )
    )
