"""The kill and fault campaign in small: twenty fixed seeds, one of them again, and that it would notice."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RUNS = 20
# One seed again, then one desk after another that has a single thing broken: what is found of it, as sentences.
AGAIN_AND_BROKEN = """
import json
from dataclasses import replace
from unittest.mock import patch

from benchmarks.kills.campaign import run_campaign

def run(seed):
    return next(iter(run_campaign(range(seed, seed + 1), 1)))

again = run(7)
found = {"again": [again.digest, *again.violations]}

import adapters.sql.journal as journal
import tasks.recover, tasks.send
from adapters.ib.memory import Memory
from adapters.ib.order_calls import OrderCalls

check, commission_seen = journal.check_orders, Memory.commission_seen

def let_through(*args, **named):
    return tuple(replace(d, accepted=True, code=None, limit="", granted_qty=d.asked_qty) for d in check(*args, **named))

async def nothing(*_): return ()
async def no(*_): return False

def dearer(self, report):
    report.commission += 1
    commission_seen(self, report)

with patch.object(journal, "check_orders", let_through):
    found["unlimited"] = run(1).violations
with patch.object(OrderCalls, "find", nothing), patch.object(OrderCalls, "_is_known", no):
    found["unasked"] = run(3).violations
with patch.object(Memory, "commission_seen", dearer):
    found["dearer"] = run(2).violations
with patch.object(journal.SqlJournal, "locked", lambda *_: {}):
    found["unlocked"] = run(3).violations
with patch.object(tasks.send, "tell_unknown", print), patch.object(tasks.recover, "tell_unknown", print):
    found["untold"] = run(29).violations
print(json.dumps(found))
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
def broken_desks() -> dict[str, list[str]]:
    """Return what was found of each."""
    done = python("-c", AGAIN_AND_BROKEN)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_however_the_desk_is_killed_and_disturbed_every_order_is_at_the_broker_once():
    runs, summary = fixed_runs()

    assert [run["seed"] for run in runs] == list(range(1, RUNS + 1))
    assert (summary["violations"], summary["duplicates"], summary["lost"], summary["breaches"]) == (0, 0, 0, 0)
    assert summary["accepted"] > RUNS
    assert summary["statuses"]["filled"] > 5
    assert summary["unknown_locked"] > 0


def test_kills_and_faults_did_strike():
    _, summary = fixed_runs()

    assert summary["killed"] > RUNS
    assert summary["struck"] > RUNS // 2
    assert {step.split()[0] for step in summary["kills"]} == {"before_commit", "after_commit", "message"}
    assert {"after_commit journal.mark_sending", "message placeOrder"} <= set(summary["kills"])


def test_a_seed_run_again_is_the_same_run_to_the_last_message():
    runs, _ = fixed_runs()

    assert broken_desks()["again"] == [runs[6]["digest"]]


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        pytest.param("unlimited", "limit: ", id="a gate that lets everything through"),
        pytest.param("unasked", "duplicate: ", id="a desk that does not ask whether an order is there already"),
        pytest.param("dearer", "commissions: ", id="commissions taken wrongly"),
        pytest.param("unlocked", "is UNKNOWN, and not locked", id="a symbol that an unknown order does not lock"),
        pytest.param("untold", "is UNKNOWN, and nobody was told", id="an unknown order that nobody is told of"),
    ],
)
def test_a_broken_desk_is_found_out(broken: str, sentence: str):
    assert any(sentence in violation for violation in broken_desks()[broken])
