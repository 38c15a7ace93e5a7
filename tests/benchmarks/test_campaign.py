"""The kill and fault campaign in small: twenty fixed seeds, one of them again, and that it would notice."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RUNS = 20
# One seed again; then the gate lets everything through; then, with the gate back, the desk asks no more whether an
# order is at the broker already, neither after a crash nor before it sends.
AGAIN_AND_BROKEN = """
from dataclasses import replace

import adapters.sql.journal as journal
from adapters.ib.order_calls import OrderCalls
from benchmarks.kills.campaign import report

again = report(range(7, 8), 1, each=True)

check = journal.check_orders
journal.check_orders = lambda *a, **k: tuple(replace(d, accepted=True, code=None, limit="") for d in check(*a, **k))
unlimited = report(range(1, 2), 1, each=False)
journal.check_orders = check

async def nothing(*_): return ()
async def no(*_): return False

OrderCalls.find, OrderCalls._is_known = nothing, no
unasked = report(range(2, 4), 1, each=False)
raise SystemExit(0 if (again, unlimited, unasked) == (0, 1, 1) else 2)
"""


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own: the campaign takes Prefect out of the one it runs in."""
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


@cache
def fixed_runs() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the lines of the runs, and the summary."""
    done = python("-m", "benchmarks.kills", "--each", "--runs", str(RUNS))
    assert done.returncode == 0, done.stdout + done.stderr
    *runs, summary = [json.loads(line) for line in done.stdout.splitlines()]
    return runs, summary


@cache
def broken_desks() -> list[dict[str, Any]]:
    """Return what is printed as JSON; what is told of failed seeds is left out."""
    done = python("-c", AGAIN_AND_BROKEN)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_however_the_desk_is_killed_and_disturbed_every_order_is_at_the_broker_once():
    runs, summary = fixed_runs()

    assert [run["seed"] for run in runs] == list(range(1, RUNS + 1))
    assert (summary["violations"], summary["duplicates"], summary["lost"], summary["breaches"]) == (0, 0, 0, 0)
    assert summary["accepted"] > RUNS
    assert summary["statuses"]["filled"] > 5


def test_kills_and_faults_did_strike():
    _, summary = fixed_runs()

    assert summary["killed"] > RUNS
    assert summary["struck"] > RUNS // 2
    assert {step.split()[0] for step in summary["kills"]} == {"before_commit", "after_commit", "message"}
    assert {"after_commit journal.mark_sending", "message placeOrder"} <= set(summary["kills"])


def test_a_seed_run_again_is_the_same_run_to_the_last_message():
    runs, _ = fixed_runs()

    again = next(line for line in broken_desks() if "digest" in line)

    assert again == runs[6]


def test_a_gate_that_lets_everything_through_is_found_out():
    unlimited = [line for line in broken_desks() if "breaches" in line][1]

    assert unlimited["breaches"] > 0


def test_a_desk_that_sends_without_asking_is_found_out():
    unasked = [line for line in broken_desks() if "duplicates" in line][2]

    assert unasked["duplicates"] > 0
    assert unasked["failed_seeds"]
