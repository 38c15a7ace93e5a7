"""Fill in bars of past sessions: chunks are fetched and staged, batches of them checked and stored."""

import asyncio
import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from adapters.staged_bars import load_fetched, save_fetched, staged_symbols
from blocks.desk import Ledger, Market
from blocks.desk_storage import DeskStorage
from tasks.check import judge
from tasks.fetch import joined
from tasks.publish import Progress, publish_table
from tasks.store import put_aside
from trading.alerts import Alert, Severity
from trading.errors import SourceUnavailable, StoreCorrupt
from trading.ledger import FILLED_IN
from trading.market.backfills import BackfillRequest, RequestsOfRange, by_range, judged
from trading.market.bar_checks import clean_actions, clean_rows
from trading.market.bars import BarSource, FetchedBars, FetchOutcome, FetchStatus, UpsertCount
from trading.market.quality import QualityReport
from trading.market.repairs import Repair, repaired, withdrawn_by

CHUNK = 20  # symbols in one staged file: what a killed run may have to fetch again
BATCH = 25  # chunks stored at once: each store writes every month of the range anew
DOWN_AFTER = 5  # symbols in a row that are refused even when each is asked for alone
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Symbols that are asked for at once, and the file that holds the answer."""

    symbols: tuple[str, ...]
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Chunks that are stored at once; `of` names their range, and the requests that they may fill."""

    of: RequestsOfRange
    chunks: tuple[Chunk, ...]

    def staged(self, repairs: Sequence[Repair]) -> FetchedBars | None:
        """Return all answers that are there as one, with the repairs worked in; None when there is none."""
        parts = [load_fetched(chunk.path) for chunk in self.chunks if chunk.path.exists()]
        return repaired(joined(parts), repairs, self.of.last) if parts else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What became of the requests of one batch."""

    of: RequestsOfRange
    count: UpsertCount
    filled: tuple[BackfillRequest, ...] = ()
    tried: tuple[BackfillRequest, ...] = ()


def backfill_folder(storage: DeskStorage, source: str) -> Path:
    """Return the folder of what is fetched of a source and not yet stored."""
    return storage.staging_folder / "backfill" / source


def staged_count(storage: DeskStorage, source: str) -> int:
    """Return of how many symbols an answer is fetched and not yet stored."""
    count = 0
    for path in backfill_folder(storage, source).rglob("*.parquet"):
        with suppress(StoreCorrupt):  # stored and removed just now, or damaged and then fetched again
            count += len(staged_symbols(path))
    return count


def batches(market: Market, storage: DeskStorage, ledger: Ledger, requests: Sequence[BackfillRequest]) -> list[Batch]:
    """Return what is to be fetched, checked and stored together; answers staged by an earlier run come first."""
    folder, found = backfill_folder(storage, market.settings.name), []
    still_open = {request.symbol for request in ledger.backfills.open(market.settings.name)}
    for of in by_range(requests, market.calendar):
        symbols = list(dict.fromkeys(request.symbol for request in of.requests))
        chunks = _chunks(folder / f"{of.first}_{of.last}", symbols, still_open)
        for group in _split(chunks, BATCH):
            of_group = {symbol for chunk in group for symbol in chunk.symbols}
            own = tuple(r for r in of.requests if r.symbol in of_group)
            found.append(Batch(of=replace(of, requests=own), chunks=tuple(group)))
    return found


@task(name="fetch_batch", retries=2, retry_delay_seconds=[10, 60], timeout_seconds=6 * 3600, cache_policy=NO_CACHE)
async def fetch_batch(market: Market, batch: Batch, progress: Progress) -> None:
    """Fetch and stage the chunks that are not staged yet, so that it may be retried at no cost.

    A chunk that nothing can be had of is left out when the next one is answered.

    Raises:
        SourceUnavailable: two chunks in a row were refused, or the last one.
    """
    refused: SourceUnavailable | None = None
    for chunk in batch.chunks:
        try:
            if not chunk.path.exists():
                # On a thread of its own: the run goes on to answer Prefect, and when it is canceled this chunk is kept.
                await asyncio.to_thread(_fetch, market.source, chunk, batch.of.first, batch.of.last)
        except SourceUnavailable as exc:
            if refused is not None:
                raise
            refused = exc
            get_run_logger().warning("%s", exc)
        else:
            refused = None
            await progress.step(len(chunk.symbols))
    if refused is not None:
        raise refused


@task(name="check_batch", timeout_seconds=1800, cache_policy=NO_CACHE)
async def check_batch(market: Market, ledger: Ledger, batch: Batch, now: datetime) -> QualityReport | None:
    """Check every bar of the batch; None when nothing is staged.

    The verdict is one on a backfill, under a name of its own: none that a session waits for.
    """
    staged = batch.staged(ledger.repairs.repairs(market.settings.name, known_at=now))
    if staged is None:
        return None
    assessed, _ = judge(market, ledger, staged, batch.of.last, now)
    return replace(assessed.report, source=f"{assessed.report.source} {FILLED_IN}")


@task(name="store_batch", retries=1, retry_delay_seconds=2, timeout_seconds=1800, cache_policy=NO_CACHE)
async def store_batch(
    market: Market, storage: DeskStorage, ledger: Ledger, batch: Batch, report: QualityReport | None, now: datetime
) -> Filled:
    """Store the bars that passed, put the others aside, write down what is filled; then forget what was staged.

    Everything here may be done twice.
    """
    checked_at = now if report is None else report.checked_at  # a repair of since then was not checked
    repairs = ledger.repairs.repairs(market.settings.name, known_at=checked_at)
    staged = batch.staged(repairs)
    if staged is None or report is None:
        unanswered = tuple(request.tried("the source did not answer") for request in batch.of.requests)
        _record(ledger, (), unanswered, now)
        return Filled(of=batch.of, count=UpsertCount(added=0, changed=0, unchanged=0), tried=unanswered)
    good, bad = clean_rows(staged, report)
    count = market.store.upsert(good, known_at=now)
    market.store.withdraw(market.settings.name, withdrawn_by(repairs), known_at=now)
    market.store.upsert_actions(market.settings.name, clean_actions(staged, report), known_at=now)
    put_aside(storage.quarantine_folder / f"{report.source}-{report.verdict_id}.parquet", bad.frame)
    ledger.facts.record_quality(report)
    filled, tried = judged(batch.of.requests, staged, report, good, market.calendar)
    _record(ledger, filled, tried, now)
    for chunk in batch.chunks:
        chunk.path.unlink(missing_ok=True)
    return Filled(of=batch.of, count=count, filled=tuple(filled), tried=tuple(tried))


async def publish_filled(source: str, done: Sequence[Filled]) -> None:
    """Publish what became of each range, and of each request that is not filled."""
    rows = [
        {
            "range": f"{d.of.first} to {d.of.last}",
            "requests": len(d.of.requests),
            "filled": len(d.filled),
            "bars added": d.count.added,
            "bars changed": d.count.changed,
            "bars unchanged": d.count.unchanged,
        }
        for d in done
    ]
    await publish_table("backfill", rows, f"Batches of bars of {source} that were filled in")
    left = [
        {
            "symbol": request.symbol,
            "from": str(request.first),
            "to": str(request.last),
            "wanted": request.why.value,
            "attempts": request.attempts,
            "given up": "yes" if request.given_up else "",
            "why": request.said,
        }
        for d in done
        for request in d.tried
    ]
    await publish_table("backfill-not-filled", left, f"Bars of {source} that did not come")


def _chunks(folder: Path, symbols: Sequence[str], still_open: Collection[str]) -> list[Chunk]:
    """Return what is staged of the symbols, then the rest in chunks; a file that is of no use any more is removed."""
    staged = []
    for path in sorted(folder.glob("*.parquet")):
        try:
            found = tuple(outcome.symbol for outcome in load_fetched(path).outcomes)
        except StoreCorrupt as exc:
            get_run_logger().warning("%s; its symbols are fetched again", exc)
            found = ()
        if not set(found).isdisjoint(symbols):
            staged.append(Chunk(symbols=found, path=path))
        elif set(found).isdisjoint(still_open):
            path.unlink()
    there = {symbol for chunk in staged for symbol in chunk.symbols}
    left = _split([symbol for symbol in symbols if symbol not in there], CHUNK)
    return staged + [Chunk(symbols=tuple(part), path=folder / f"{_digest(part)}.parquet") for part in left]


def _digest(symbols: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(symbols).encode()).hexdigest()[:20]


def _split(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _fetch(source: BarSource, chunk: Chunk, first: date, last: date) -> None:
    try:
        fetched = source.fetch(chunk.symbols, first, last)
    except SourceUnavailable:
        fetched = _fetch_each(source, chunk.symbols, first, last)
    save_fetched(chunk.path, fetched)


def _fetch_each(source: BarSource, symbols: Sequence[str], first: date, last: date) -> FetchedBars:
    """Ask for each symbol alone, so that some that fail in a row do not cost the others their answer.

    Raises:
        SourceUnavailable: not one was answered, of all or of the first DOWN_AFTER.
    """
    parts: list[FetchedBars] = []
    failed: list[FetchOutcome] = []
    for symbol in symbols:
        try:
            parts.append(source.fetch([symbol], first, last))
        except SourceUnavailable as exc:
            failed.append(FetchOutcome(symbol=symbol, status=FetchStatus.FAILED, text=exc.why))
            if not parts and len(failed) in (DOWN_AFTER, len(symbols)):
                raise
    fetched = joined(parts)
    return replace(fetched, outcomes=(*fetched.outcomes, *failed))


def _record(ledger: Ledger, filled: Sequence[BackfillRequest], tried: Sequence[BackfillRequest], now: datetime) -> None:
    """Write down what became of requests; of those that are now given up a person is told first."""
    for request in tried:
        if request.given_up:
            ledger.outbox.raise_alert(
                Alert(
                    fingerprint=f"backfill {request.source} {request.symbol} {request.first} {request.last}",
                    severity=Severity.WARNING,
                    title=f"No bars of {request.symbol} from {request.first} to {request.last} at {request.source}",
                    text=f"{request.attempts} attempts have not filled this gap, so it is given up: {request.said}. "
                    "Was trading halted? If not, name the range to backfill, or another source.",
                    raised_at=now,
                )
            )
    ledger.backfills.record(filled, tried, now)
