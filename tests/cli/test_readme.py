"""The README keeps its word: its commands are run, its outputs occur, its code is the code."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from skfolio.datasets import load_sp500_dataset

from cli.openbell import app
from cli.prefect_server import running_server
from tests.cli.shell import Said, a_free_port, openbell, openbell_in_turn
from tests.rehearsals.own_books import query

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text()
VARIES = re.compile(r"\.\.\.|…|/runs/flow-run/|The login is in ")  # by run or by machine

pytestmark = pytest.mark.xdist_group("readme")


def section(title: str) -> str:
    """Return what stands under a heading."""
    return README.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """Return the commands that a person is to type."""
    return [line[2:].split() for block in blocks(text, "console") for line in block.splitlines() if line[:2] == "$ "]


def recipe(target: str) -> list[str]:
    """Return the lines of a target of the Makefile."""
    makefile = (REPOSITORY / "Makefile").read_text()
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert found, f"the Makefile has no target {target}"
    return [line.strip() for line in found[1].splitlines()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A desk in which everything was done that the README says, in its order."""

    home: Path
    run: Said
    run_again: Said
    rehearsal: Mapping[str, Said]
    own_strategy: Said


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("strategies")
    (folder / "dip.py").write_text(strategy_code())
    asked = [command[1:] for command in commands(section("A rehearsal, and what may be asked of it"))]
    run = openbell(home, "run", "--port", str(a_free_port()))
    with running_server(home, a_free_port()):  # the rest in one process, beside a server that runs already
        again, *answers, own = openbell_in_turn(home, [["run"], *asked, own_strategy_command()], python_path=folder)
    said = dict(zip((" ".join(command) for command in asked), answers, strict=True))
    return Desk(home=home, run=run, run_again=again, rehearsal=said, own_strategy=own)


def strategy_code() -> str:
    (code,) = blocks(section("A strategy in ten lines"), "python")
    return code


def own_strategy_command() -> Sequence[str]:
    found = re.search(r"`openbell (run --strategy dip:BuyTheDip [^`]*)`", section("A strategy in ten lines"))
    assert found, "the README does not say how the strategy is run"
    return found[1].split()


def output_blocks() -> tuple[list[str], list[str]]:
    """Return the lines of what the README shows of the first run, and of the second."""
    first, second = blocks(section("One minute"), "text")
    return first.splitlines(), second.splitlines()


def missing(shown: Sequence[str], said: Said) -> list[str]:
    """Return the lines shown that do not occur in what was said; nothing is asked of those that vary."""
    real = {line.rstrip() for line in said.out.splitlines()}
    return [line for line in shown if line.strip() and not VARIES.search(line) and line.rstrip() not in real]


def test_nothing_in_the_readme_waits_to_be_filled_in():
    assert re.findall(r"<<\w+>>", README) == []


def test_make_run_and_make_test_are_what_the_readme_says():
    told = [command for command in commands(section("One minute")) if command[0] == "make"]

    assert told == [["make", "run"], ["make", "test"]]
    assert recipe("run") == ["$(BIN)/openbell run"]
    assert [line.split()[0] for line in recipe("test")] == ["$(BIN)/pytest"]
    assert [line.split()[0] for line in recipe("lint")] == [
        "$(BIN)/ruff", "$(BIN)/ruff", "$(BIN)/mypy", "$(BIN)/lint-imports",
    ]  # fmt: skip


def test_every_command_that_is_named_exists():
    named = {command[1] for command in commands(README) if command[0] == "openbell"}
    named |= set(re.findall(r"`openbell (\w+)", README))

    assert named >= {"run", "up", "stop", "resume", "explain", "init"}
    assert [name for name in sorted(named) if name not in app] == []


@pytest.mark.slow
def test_the_first_run_prints_what_the_readme_shows(desk: Desk):
    shown, _ = output_blocks()

    assert desk.run.exit_code == 0, desk.run.err
    assert missing(shown, desk.run) == []
    assert len(shown) > 5


@pytest.mark.slow
def test_the_second_run_places_nothing_and_prints_what_the_readme_shows(desk: Desk):
    _, shown = output_blocks()

    assert desk.run_again.exit_code == 0, desk.run_again.err
    assert missing(shown, desk.run_again) == []
    assert query(desk.home, "SELECT count(*) FROM paper_order WHERE account = 'paper'") == [(20,)]


@pytest.mark.slow
def test_every_command_of_the_rehearsal_succeeds(desk: Desk):
    failed = {command: said.err for command, said in desk.rehearsal.items() if said.exit_code or said.err}

    assert failed == {}
    assert len(desk.rehearsal) >= 7
    assert all(said.out for said in desk.rehearsal.values())


@pytest.mark.slow
def test_the_strategy_in_ten_lines_buys_what_has_fallen(desk: Desk):
    closes = load_sp500_dataset().loc[:"2022-10-07"].tail(6)
    fallen = {symbol for symbol in closes if closes[symbol].iloc[-1] / closes[symbol].iloc[0] < 0.95}

    targets = """SELECT json_extract(t.value, '$.symbol'), json_extract(t.value, '$.weight')
                 FROM decision, json_each(targets) AS t WHERE account = 'rehearsal' AND session = '2022-10-10'"""
    wanted = {symbol: weight for symbol, weight in query(desk.home, targets) if weight}

    assert desk.own_strategy.exit_code == 0, desk.own_strategy.err
    assert len(strategy_code().split("class BuyTheDip:\n")[1].splitlines()) <= 10
    assert wanted == pytest.approx(dict.fromkeys(fallen, 1 / len(fallen)))
    assert "after the close 0 breaks" in desk.own_strategy.out


def test_the_heart_of_trade_session_is_quoted_word_for_word():
    (quoted,) = blocks(section("The floors"), "python")

    source = (REPOSITORY / "flows" / "trade_session.py").read_text()

    assert textwrap.indent(quoted, "    ") in source


def test_the_files_and_dates_that_are_named_are_there():
    linked = re.findall(r"\]\(((?!http)[^)#]+)\)", README)

    assert [path for path in linked if not (REPOSITORY / path).exists()] == []
    assert load_sp500_dataset().index.max().date() == date(2022, 12, 28)
