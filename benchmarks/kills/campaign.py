"""The campaign: many seeds in one or several processes, each in a folder of its own, summed up in one line.

The folders are in memory where the system has such a place. Nothing is made easier by it: what dies here is a process,
and what a process has handed to the system outlives it. What a power cut leaves of a disk is not tried here.
"""

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from benchmarks.kills.desk import prepare_home
from benchmarks.kills.trial import Outcome, run_seed
from benchmarks.measurement import machine
from cli.prefect_server import adopt, client_environment

MEMORY = Path("/dev/shm")  # noqa: S108 - folders in it are made by tempfile
AIM_RUNS = 10_000
_TOLD_EVERY = 100  # runs
_SUMS = ("intents", "accepted", "sent_again", "duplicates", "lost", "breaches", "unknown_locked")
_TALLIES = ("kills", "faults", "statuses")


@dataclass(slots=True)
class Tally:
    """All runs together."""

    runs: int = 0
    seconds: float = 0.0
    violations: int = 0
    sums: Counter[str] = field(default_factory=Counter)
    kinds: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in _TALLIES})
    failed: list[int] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Take one run."""
        self.runs += 1
        self.seconds += outcome.seconds
        self.violations += len(outcome.violations)
        self.sums.update({name: getattr(outcome, name) for name in _SUMS})
        for name, counts in self.kinds.items():
            counts.update(getattr(outcome, name))
        if outcome.violations:
            self.failed.append(outcome.seed)

    def line(self, first_seed: int, wall_seconds: float) -> str:
        """Return the summary as one line of JSON."""
        fields = {
            "name": "campaign.runs",
            "value": self.runs,
            "unit": "runs",
            "baseline": None,
            "ratio": None,
            "aim": f">= {AIM_RUNS} with 0 duplicates, 0 lost, 0 breaches" if self.runs >= AIM_RUNS else None,
            "aim_met": not self.failed if self.runs >= AIM_RUNS else None,
            "machine": machine(),
            "seed": first_seed,
            "note": "trade_session at the simulated gateway, killed and disturbed, then held against it",
            "violations": self.violations,
            **{name: self.sums[name] for name in _SUMS},
            "killed": self.kinds["kills"].total(),
            "struck": self.kinds["faults"].total(),
            "cpu_seconds_per_run": round(self.seconds / max(self.runs, 1), 4),
            "wall_seconds": round(wall_seconds, 1),
            "failed_seeds": self.failed,
            **{name: _sorted(counts) for name, counts in self.kinds.items()},
        }
        return json.dumps(fields, ensure_ascii=False)


def run_campaign(seeds: range, processes: int) -> Iterator[Outcome]:
    """Run all seeds and yield what became of each, in their order."""
    if processes == 1:
        with _folder() as folder:
            yield from _run_seeds(seeds, folder)
        return
    with _folder() as folder, ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        parts = [seeds[start : start + 50] for start in range(0, len(seeds), 50)]
        for outcomes in pool.map(partial(_run_part, folder=folder), parts):
            yield from outcomes


def report(seeds: range, processes: int, *, each: bool) -> int:
    """Run the seeds, print what is to be said of them, and return the exit code."""
    tally, started = Tally(), time.perf_counter()
    for outcome in run_campaign(seeds, processes):
        tally.add(outcome)
        if each:
            told = {"seed": outcome.seed, "digest": outcome.digest, "violations": outcome.violations}
            print(json.dumps(told), flush=True)
        if outcome.violations:
            print(_failure(outcome), flush=True)
        if tally.runs % _TOLD_EVERY == 0:
            print(f"{tally.runs} of {len(seeds)} runs, {len(tally.failed)} failed", file=sys.stderr, flush=True)
    print(tally.line(seeds.start, time.perf_counter() - started), flush=True)
    return 1 if tally.failed else 0


def _failure(outcome: Outcome) -> str:
    head = f"seed {outcome.seed}: again by python -m benchmarks.kills --runs 1 --first-seed {outcome.seed}"
    return "\n".join([head, *(f"  {v}" for v in outcome.violations), *(f"  process: {e}" for e in outcome.endings)])


def _run_part(seeds: range, folder: Path) -> list[Outcome]:
    return list(_run_seeds(seeds, folder))


def _run_seeds(seeds: range, folder: Path) -> Iterator[Outcome]:
    with tempfile.TemporaryDirectory(dir=folder) as own:
        adopt(client_environment(Path(own), 1))  # settings of its own; no server is asked
        home = Path(own) / "desk"
        ledger, market = prepare_home(home)
        for seed in seeds:
            yield run_seed(seed, home, ledger, market)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="openbell-kills-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))
