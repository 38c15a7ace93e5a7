"""Whole routines: a session's trading, an ingestion, each in a fresh process against a server of its own."""

import json
import shutil
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from adapters.parquet_bars import ParquetBars
from benchmarks.desks import BARS_FILE
from benchmarks.markets import YEAR, fill_store, make_market, write_file
from benchmarks.measurement import Measurement, Run, at_most
from cli.children import clean_environment
from cli.prefect_server import client_environment, running_server

_PROVIDED = YEAR + 10
_QUICK = {500: 40, 3000: 80}


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """What a routine took in its process, medians of several runs."""

    seconds: float
    cpu_seconds: float
    before_mib: float
    peak_mib: float
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRuns:
    """One desk's routines."""

    symbols: int
    history: str
    ingest: Took
    trade: Took
    plain: Took


def trade_session(run: Run) -> Iterator[Measurement]:
    """Trade one session of 500 and of 3,000 symbols, with ten years of bars in store."""
    with running_server(run.folder, free_port()) as server:
        yield from _measured(run, server.port)


def _measured(run: Run, port: int) -> Iterator[Measurement]:
    small = _runs(run, port, 500)
    yield from _small(small)
    large = _runs(run, port, 3000)
    yield Measurement(
        name="trade_session.3000",
        value=large.trade.seconds,
        unit="s",
        baseline=small.trade.seconds,
        note=f"{_what(large)}; baseline: trade_session.500",
        aim=at_most(large.trade.seconds, 3 * small.trade.seconds, "<= 3 x trade_session.500"),
    )
    yield Measurement(
        name="trade_session.3000.rss",
        value=large.trade.peak_mib,
        unit="MiB",
        baseline=large.trade.before_mib,
        note="largest resident memory of that process; baseline: the same after its imports, before the call",
    )


def _small(small: SessionRuns) -> Iterator[Measurement]:
    yield Measurement(
        name="ingest_bars.500",
        value=small.ingest.seconds,
        unit="s",
        note=f"`ingest_bars` of one more session ({small.symbols} symbols, {small.history} in store), with the last "
        "ten fetched again from a file, checked by both readers, Data Docs written",
    )
    yield Measurement(
        name="trade_session.500",
        value=small.trade.seconds,
        unit="s",
        baseline=small.plain.seconds,
        note=f"{_what(small)}; baseline: the same stages as plain functions, without Prefect",
        aim=at_most(small.trade.seconds, 20),
    )
    yield Measurement(
        name="trade_session.500.outside",
        value=100 * (1 - small.plain.seconds / small.trade.seconds),
        unit="%",
        note="share of trade_session.500 that is not there when its stages run without Prefect",
    )
    yield Measurement(
        name="trade_session.500.rss",
        value=small.trade.peak_mib,
        unit="MiB",
        baseline=small.trade.before_mib,
        note="largest resident memory of that process; baseline: the same after its imports, before the call",
        aim=at_most(small.trade.peak_mib, 1024),
    )


def _what(runs: SessionRuns) -> str:
    said = runs.trade.message.split(": ", 1)[1]
    return (
        f"`trade_session` of {runs.symbols} symbols held, {runs.history} in store: {said}; from the call to its end, "
        f"{runs.trade.cpu_seconds:.2g} s of it processor time"
    )


def _runs(run: Run, port: int, wanted: int) -> SessionRuns:
    symbols = _QUICK[wanted] if run.quick else wanted
    sessions = (2 if run.quick else 10) * YEAR
    home = run.folder / f"desk-{wanted}"
    market = make_market(symbols, sessions, run.seed)
    fill_store(ParquetBars(home / "bars"), market, stop=-2)
    write_file(home / BARS_FILE, market.bars(slice(-_PROVIDED, None)))
    before, session = market.day(-2), market.day(-1)
    del market
    _in_child(home, port, "prepare", symbols, before)
    ingest = _in_child(home, port, "ingest", symbols, before)
    saved = _save_ledger(home)
    routines = ("trade", "trade_without_prefect") * run.repeats(3)  # by turns, so that both meet the same disturbances
    took = [_again(saved, home, port, routine, symbols, session) for routine in routines]
    trade, plain = _median(took[::2]), _median(took[1::2])
    if trade.message != plain.message:
        raise RuntimeError(f"with Prefect: {trade.message}; without: {plain.message}")
    history = f"{sessions // YEAR} years"
    return SessionRuns(symbols=symbols, history=history, ingest=ingest, trade=trade, plain=plain)


def _again(saved: Path, home: Path, port: int, routine: str, symbols: int, session: date) -> Took:
    for left in home.glob("ledger.db*"):
        left.unlink()
    for path in saved.iterdir():
        shutil.copy(path, home)
    return _in_child(home, port, routine, symbols, session)


def _save_ledger(home: Path) -> Path:
    saved = home / "before"
    saved.mkdir()
    for path in home.glob("ledger.db*"):
        shutil.copy(path, saved)
    return saved


def _in_child(home: Path, port: int, routine: str, symbols: int, session: date) -> Took:
    command = [sys.executable, "-m", "benchmarks.desk_child", routine, str(home), str(symbols), str(session)]
    environment = clean_environment() | client_environment(home.parent, port)
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    took = Took(**json.loads(done.stdout.splitlines()[-1]))
    print(
        f"{routine} of {symbols}: {took.seconds:.2f} s, processor {took.cpu_seconds:.2f} s, {took.message}",
        file=sys.stderr,
    )
    return took


def _median(runs: list[Took]) -> Took:
    return Took(
        seconds=statistics.median(r.seconds for r in runs),
        cpu_seconds=statistics.median(r.cpu_seconds for r in runs),
        before_mib=statistics.median(r.before_mib for r in runs),
        peak_mib=max(r.peak_mib for r in runs),
        message=runs[0].message,
    )


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
