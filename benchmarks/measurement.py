"""Measurements: one number each, with what it is compared to and what it ought to be."""

import json
import os
import platform
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import psutil

SEED = 20_221_228
QUIET_LOAD = 2.0  # above it, others take the time that is measured
_PACKAGES = ("prefect", "pandas", "pyarrow", "SQLAlchemy", "great-expectations")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a benchmark is to be run.

    Attributes:
        folder: an empty one on the disk to be measured; the benchmark may leave there what it likes.
        quick: shrink everything; the numbers then only show that the benchmark works.
        load: of the machine before it began.
    """

    folder: Path
    seed: int
    quick: bool
    load: float = 0.0

    def repeats(self, wanted: int) -> int:
        """Return how often to repeat."""
        return 1 if self.quick else wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What a value ought to be, in its unit, and whether it is."""

    text: str
    met: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One number.

    Attributes:
        name: stable; a subject and a size.
        baseline: the same unit, of what `note` says; None where nothing compares.
        note: what was measured, and what the baseline is.
    """

    name: str
    value: float
    unit: str
    note: str
    baseline: float | None = None
    aim: Aim | None = None

    def line(self, run: Run) -> str:
        """Return it as one line of JSON; a quick run has no aim, for its numbers mean nothing."""
        aim = None if run.quick else self.aim
        note = f"quick, so much smaller than its name: {self.note}" if run.quick else self.note
        if run.load > QUIET_LOAD:
            note += f"; the machine was busy before (load {run.load:.1f})"
        fields = {
            "name": self.name,
            "value": _rounded(self.value),
            "unit": self.unit,
            "baseline": self.baseline and _rounded(self.baseline),
            "ratio": _rounded(self.value / self.baseline) if self.baseline else None,
            "aim": aim and aim.text,
            "aim_met": aim and aim.met,
            "machine": machine(),
            "seed": run.seed,
            "note": note,
        }
        return json.dumps(fields, ensure_ascii=False)


Benchmark = Callable[[Run], Iterable[Measurement]]


def at_most(value: float, limit: float, text: str | None = None) -> Aim:
    """Return an aim that a larger value misses."""
    return Aim(text=text or f"<= {limit:g}", met=value <= limit)


def at_least(value: float, limit: float) -> Aim:
    """Return an aim that a smaller value misses."""
    return Aim(text=f">= {limit:g}", met=value >= limit)


def seconds(work: Callable[[], object]) -> float:
    """Return the wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def percentile(values: Sequence[float], percent: float) -> float:
    """Return a percentile of the values."""
    return float(np.percentile(values, percent))


@cache
def machine() -> str:
    """Return what the numbers depend on: processor, memory, system and versions."""
    memory = psutil.virtual_memory().total / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    hardware = f"{os.cpu_count()} cores of {_processor()}, {memory:.0f} GiB"
    python = f"{platform.system()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    return f"{hardware}; {python}, {versions}"


def _processor() -> str:
    known = Path("/proc/cpuinfo")
    if not known.exists():
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in known.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
