"""The installed `openbell` command, as a person's shell runs it."""

import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

OPENBELL = Path(sys.executable).with_name("openbell")
IN_TURN = """
import contextlib, io, json, sys, traceback
from cli.openbell import main
said = []
for command in json.loads(sys.argv[1]):
    sys.argv[1:] = command
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            main()
        except SystemExit as end:
            code = end.code
        except BaseException:
            code = 1
            traceback.print_exc()
    said.append({"exit_code": code, "out": out.getvalue(), "err": err.getvalue()})
print(json.dumps(said))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command said, and its exit code."""

    exit_code: int
    out: str
    err: str


def openbell(home: Path, *arguments: str, columns: int | None = None, python_path: Path | None = None) -> Said:
    """Run the command in a desk's folder; its output goes to a pipe, as wide as `columns` where a width is given."""
    environment = a_persons_environment(home)
    environment |= {"COLUMNS": str(columns)} if columns else {}
    environment |= {"PYTHONPATH": str(python_path)} if python_path else {}
    done = subprocess.run(
        [OPENBELL, *arguments], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    return Said(exit_code=done.returncode, out=done.stdout, err=done.stderr)


def openbell_in_turn(home: Path, commands: Sequence[Sequence[str]], *, python_path: Path | None = None) -> list[Said]:
    """Run the commands in one process, one after the other, which saves loading everything for each."""
    done = subprocess.run(
        [sys.executable, "-c", IN_TURN, json.dumps([list(command) for command in commands])],
        env=a_persons_environment(home) | ({"PYTHONPATH": str(python_path)} if python_path else {}),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return [Said(**said) for said in json.loads(done.stdout)]


def a_persons_environment(home: Path) -> dict[str, str]:
    """Return this environment without what tests set."""
    ours = ("PREFECT_", "OPENBELL_", "COLUMNS", "DO_NOT_TRACK")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"OPENBELL_HOME": str(home)}


def a_free_port() -> int:
    """Return a port on which nobody listens, and which no connection is given by Linux while nobody does."""
    for port in random.sample(range(10_000, 32_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("each of a hundred ports is in use")


def cells(page: str) -> list[list[str]]:
    """Return the rows of the tables of a page, without their heads."""
    return [[cell.strip() for cell in line[1:-1].split("│")] for line in page.splitlines() if line.startswith("│")]
