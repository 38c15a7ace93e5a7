"""What the watch sees is a page for a person, in any terminal, that says when it must not be believed."""

import json
import os
import pty
import select
import signal
import subprocess
import termios
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from adapters.sql.ledger import Ledger, LedgerPlace
from adapters.sql.schema import migrate
from adapters.watch_files import WatchFiles
from cli.watch_screen import Seen, screen
from tests.cli.shell import OPENBELL, a_persons_environment, openbell_in_turn
from tests.cli.watch_status import a_break, a_status, a_symbol
from trading.alerts import Alert, Severity

A_DEAD_PROCESS = {"created": 1.0}  # its number is this process's now


def page(status: dict[str, Any], *, width: int = 200, height: int | None = None, **changes: Any) -> str:
    console = Console(width=width, height=height or 50, force_terminal=False)
    seen = {"age": timedelta(seconds=1), "is_alive": True, "open_alerts": 2} | changes
    with console.capture() as shown:
        console.print(screen(Seen(status=status, **seen), console, height))
    return shown.get()


def rows(text: str, symbol: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.startswith(symbol)]


def test_the_page_tells_all_that_the_watch_sees():
    text = page(a_status())

    assert "paper   session 2024-01-02   watching" in text
    assert "ib, silent 0.4 s, 812 ticks/s, 123,456 in all, lag 0.2 s, busy 3.1 ms, conflated 0" in text
    assert "equity 100,000.00, day -250.50 (loss 0.25 %), drawdown 1.50 %, exposure ? %" in text
    for told in ("3 orders (1 unacknowledged), 2 alerts", "daily loss", "crossed 3", "volatile (1,000 symbols)"):
        assert told in text
    for told in ("XYZ: no permission", "10:01:02 ib -> yahoo (polled): silent for 20 s", "mine of XYZ"):
        assert told in text
    assert text.index("BAC: position_without_stop above 0.5") < text.index(
        "IBM: spread_pct above 1"
    )  # the graver first
    (ibm,) = rows(text, "IBM")
    assert ibm[:8] == ["IBM", "100", "-250.50", "181.80", "1.00", "181.79", "181.81", "0.011"]
    assert ibm[8:] == ["2.20", "0.71", "1,234,567", "1.30", "0", "volatile,", "low", "liquidity"]
    assert "locked" not in text
    assert "and 998 more" in text


@pytest.mark.parametrize(
    ("age", "is_alive", "state", "alarm"),
    [
        (4, True, "watching", None),
        (9, True, "watching", "no word for 9 s; is the desk up?"),
        (3, False, "watching", "is gone. Is the desk up?"),
        (1, False, "watching", None),  # the page may be drawn where the processes of the desk are not seen
        (9, False, "ended", None),
    ],
)
def test_a_status_that_must_not_be_believed_says_so_first(age: int, is_alive: bool, state: str, alarm: str | None):
    text = page(a_status(state=state), age=timedelta(seconds=age), is_alive=is_alive)

    assert (alarm in text.splitlines()[1]) if alarm else ("no word" not in text)


@pytest.mark.parametrize("width", [20, 40, 80, 120, 200])
@pytest.mark.parametrize("height", [10, 24, 50])
def test_no_terminal_is_too_narrow_or_too_low_for_a_thousand_symbols_and_two_hundred_broken_rules(
    width: int, height: int
):
    symbols = [a_symbol(f"S{n:04}", qty=100 if n < 5 else 0, last=None, liquidity=None) for n in range(1000)]
    broken = [a_break(f"rule-{n}", f"S{n:04}", "warning", f"S{n:04}: spread_pct is 1.2") for n in range(199)]
    broken.append(a_break("worst", "S0999", "emergency", "S0999: fell"))

    text = page(a_status(symbols=symbols, broken=broken), width=width, height=height)

    lines = text.splitlines()
    assert max(len(line) for line in lines) <= width
    assert any(line.startswith("S0000" if width > 20 else "S0") for line in lines)
    assert "more" in text
    if width >= 80 and height >= 24:
        assert len(lines) <= height
        assert next(line for line in lines if "S0" in line).startswith("emergency")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    migrate(LedgerPlace(home=tmp_path).engine())
    return tmp_path


def test_the_page_is_printed_once_for_a_pipe_and_as_json(home: Path):
    alert = Alert(
        fingerprint="one",
        severity=Severity.CRITICAL,
        title="one",
        text="one",
        raised_at=datetime.now(UTC),
        lasting=True,
    )
    Ledger.of(LedgerPlace(home=home)).outbox.raise_alert(alert)
    files = WatchFiles(home, "paper")
    files.write_status(a_status(**A_DEAD_PROCESS))
    os.utime(files.status_path, (1, 1))
    files.status_path.with_name("old.json").write_text('{"state": "watching"}')

    once, as_json, nobody, foreign = openbell_in_turn(
        home,
        [["watch", "--once"], ["watch", "--json"], ["watch", "--account", "other"], ["watch", "--account", "old"]],
    )

    assert f"process {os.getpid()} is gone. Is the desk up?" in once.out
    assert "1 alerts" in once.out
    assert json.loads(as_json.out)["symbols"][0]["symbol"] == "IBM"
    assert (nobody.exit_code, nobody.out) == (1, "")
    assert "account is 'other', but must be one whose market is watched; the deployment watch-market" in nobody.err
    assert foreign.exit_code == 1
    assert "must be as a watch of this version writes it" in foreign.err


def test_in_a_terminal_the_page_follows_the_watch_until_ctrl_c(home: Path):
    files = WatchFiles(home, "paper")
    files.write_status(a_status(note="first", pid=os.getpid(), created=psutil.Process().create_time()))
    screen_side, shell_side = pty.openpty()
    termios.tcsetwinsize(shell_side, (40, 100))
    environment = a_persons_environment(home) | {"TERM": "xterm"}
    shown = ""

    def until(text: str) -> None:
        nonlocal shown
        while text not in shown:
            shown += os.read(screen_side, 65536).decode(errors="replace")

    process = subprocess.Popen(
        [OPENBELL, "watch"],
        env=environment,
        stdin=shell_side,
        stdout=shell_side,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a test run in the background ignores it
    )
    os.close(shell_side)
    try:
        until("first")
        files.write_status(a_status(note="second"))
        until("second")
        process.send_signal(signal.SIGINT)
        with suppress(OSError):  # it has left the terminal
            while select.select([screen_side], [], [], 30)[0]:  # a terminal that nobody reads would hold it up
                os.read(screen_side, 65536)
        code = process.wait(30)
    finally:
        process.kill()
        process.wait()
        os.close(screen_side)

    assert code == 0
    assert "Traceback" not in shown
