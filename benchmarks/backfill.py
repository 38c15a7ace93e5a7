"""Backfill: thousands of symbols from a Yahoo on loopback, with a kill in the middle."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from benchmarks.markets import CALENDAR, LAST, YEAR
from benchmarks.measurement import Measurement, Run, at_most
from benchmarks.sessions import free_port
from cli.children import clean_environment
from cli.prefect_server import client_environment, running_server
from tasks.fill import CHUNK

_BODIES = 50  # different ones; symbols share them
_BARE = 200  # symbols of the baseline, whose time is scaled
_PATIENCE = 3600  # s


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What is served, and where."""

    url: str
    symbols: int
    first: date
    sessions: int

    def asked(self) -> Counter[str]:
        """Return how often each symbol's bars were asked for."""
        with urllib.request.urlopen(f"{self.url}/asked") as answer:  # noqa: S310 - loopback
            return Counter(json.loads(answer.read()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """What a child took."""

    seconds: float
    before_mib: float
    peak_mib: float
    message: str


def backfill(run: Run) -> Iterator[Measurement]:
    """Fill in ten years of 3,000 symbols; the run is killed when half of them are fetched, and run again."""
    symbols, sessions = (60, YEAR) if run.quick else (3000, 10 * YEAR)
    few = min(symbols, _BARE)
    with _yahoo(symbols, sessions, run.seed) as market, running_server(run.folder, free_port()) as server:
        bare = _finished(_start(run.folder / "bare", server.port, "bare", market, few))
        before = market.asked()
        killed_after, again = _killed_in_the_middle(run.folder / "killed", server.port, market, before)
        twice = sum((market.asked() - before).values()) - symbols
    took, baseline = killed_after + again.seconds, bare.seconds * symbols / few
    yield Measurement(
        name="backfill.3000x10y",
        value=symbols / took,
        unit="symbols/s",
        baseline=symbols / baseline,
        note=f"`backfill_bars` of {symbols} symbols over {sessions} sessions from a Yahoo on loopback, staged, checked "
        f"by both readers and stored; killed with -9 after {killed_after:.0f} s, both runs counted, the second said: "
        f"{again.message}; baseline: yfinance and one to_parquet, of {few} symbols, scaled",
    )
    yield Measurement(
        name="backfill.3000x10y.bars",
        value=symbols * sessions / took,
        unit="bars/s",
        baseline=symbols * sessions / baseline,
        note="the same in bars",
    )
    yield Measurement(
        name="backfill.3000x10y.rss",
        value=again.peak_mib,
        unit="MiB",
        baseline=again.before_mib,
        note="largest resident memory of the second run; baseline: the same after its imports, before the call",
    )
    yield Measurement(
        name="backfill.3000x10y.twice",
        value=twice,
        unit="requests",
        note="how many symbols were asked for twice, because their answers were in flight when the run was killed",
        aim=at_most(twice, CHUNK),
    )


def _killed_in_the_middle(home: Path, port: int, market: Market, before: Counter[str]) -> tuple[float, Took]:
    """Kill a backfill once half of the symbols were asked for, and run it again; return when, and what that took."""
    half, started = market.symbols // 2 + CHUNK // 2, time.perf_counter()
    child = _start(home, port, "backfill", market, market.symbols)
    while sum((market.asked() - before).values()) < half:
        if child.poll() is not None or time.perf_counter() - started > _PATIENCE:
            raise RuntimeError("the backfill ended before it could be killed")
        time.sleep(0.1)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    killed_after = time.perf_counter() - started
    return killed_after, _finished(_start(home, port, "backfill", market, market.symbols))


@contextmanager
def _yahoo(symbols: int, sessions: int, seed: int) -> Iterator[Market]:
    command = [sys.executable, "-m", "benchmarks.yahoo_child", str(min(symbols, _BODIES)), str(sessions), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        url = f"http://127.0.0.1:{int(child.stdout.readline())}"
        first = CALENDAR.sessions_before(LAST, sessions - 1)
        try:
            yield Market(url=url, symbols=symbols, first=first, sessions=sessions)
        finally:
            child.kill()


def _start(home: Path, port: int, routine: str, market: Market, symbols: int) -> "subprocess.Popen[str]":
    home.mkdir(parents=True, exist_ok=True)
    arguments = [routine, str(home), market.url, str(symbols), str(market.first), str(LAST)]
    command = [sys.executable, "-m", "benchmarks.backfill_child", *arguments]
    environment = clean_environment() | client_environment(home.parent, port)
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def _finished(child: "subprocess.Popen[str]") -> Took:
    said, _ = child.communicate(timeout=_PATIENCE)
    if child.returncode:
        raise RuntimeError(f"a child ended with {child.returncode}")
    took = Took(**json.loads(said.splitlines()[-1]))
    print(f"{took.seconds:.2f} s, {took.peak_mib:.0f} MiB, {took.message}", file=sys.stderr)
    return took
