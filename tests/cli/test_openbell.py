"""The `openbell` command in a new desk, from its first start to a halt: what it says, and what it leaves alone."""

import json
import re
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pytest

from cli.children import clean_environment
from cli.prefect_server import client_environment, prefect_home, running_server
from tests.cli.shell import OPENBELL, Said, a_free_port, cells, openbell, openbell_in_turn
from tests.rehearsals.own_books import query, row_counts

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("openbell")]

TWO_STOCKS = """
from trading.strategies.strategy import PointInTimeBars


class TwoStocks:
    lookback_sessions = 1

    def target_weights(self, bars: PointInTimeBars) -> dict[str, float]:
        return {"AAPL": 0.5, "MSFT": 0.2}
"""
LEAVE_ORDERS_WORKING = """
import asyncio
from datetime import date
from flows.trade_session import trade_session
from trading.orders.orders import TimeInForce
from trading.positions.sizing import SizingRules
until_canceled = SizingRules(time_in_force=TimeInForce.GTC)
state = asyncio.run(trade_session(date(2022, 12, 29), account="rehearsal", sizing=until_canceled, return_state=True))
print(state.message)
"""
ORDER_IDS = "SELECT symbol, cl_ord_id FROM risk_decision WHERE decision_id = ?"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A desk's folder whose Prefect server runs, as it does beside `openbell up`; each command is its guest."""
    home = tmp_path_factory.mktemp("home")
    with running_server(home, a_free_port()):
        yield home


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What was said in a new desk, and what was kept before it was said again."""

    init: Said
    run: Said
    blocks: list[tuple[str, ...]]
    init_again: Said
    run_again: Said
    own_strategy: Said


@pytest.fixture(scope="module")
def begun(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Begun:
    """A desk that traded a session, and was then told the same again; `rehearsal` traded a person's own strategy."""
    init, run = openbell(home, "init"), openbell(home, "run", "--session", "2022-12-28")
    blocks, folder = saved_blocks(home), tmp_path_factory.mktemp("strategies")
    (folder / "two_stocks.py").write_text(TWO_STOCKS)
    own = ["run", "--account", "rehearsal", "--session", "2022-12-28", "--strategy", "two_stocks:TwoStocks"]
    init_again, run_again, own_strategy = openbell_in_turn(
        home, [["init"], ["run", "--session", "2022-12-28"], own], python_path=folder
    )
    return Begun(
        init=init, run=run, blocks=blocks, init_again=init_again, run_again=run_again, own_strategy=own_strategy
    )


@pytest.fixture(scope="module")
def pages(home: Path, begun: Begun) -> Mapping[str, tuple[Said, Said]]:
    """Each page by name, as text and as JSON."""
    two = dict(query(home, ORDER_IDS, "rehearsal:2022-12-28:main"))
    wanted = {
        "status": ["status"],
        "orders": ["orders", "--session", "2022-12-28"],
        "positions": ["positions"],
        "breaks": ["breaks"],
        "filled": ["explain", two["MSFT"]],
        "refused": ["explain", two["AAPL"]],
        "doctor": ["doctor"],
    }
    said = openbell_in_turn(home, [*wanted.values(), *([*command, "--json"] for command in wanted.values())])
    return dict(zip(wanted, zip(said[: len(wanted)], said[len(wanted) :], strict=True), strict=True))


MISTAKES = {
    "account": ["run", "--account", "papre"],
    "strategy": ["run", "--account", "rehearsal", "--strategy", "EqualWieght"],
    "parameter": ["run", "--account", "rehearsal", "--strategy", "MomentumRotation", "--parameters", '{"tpo": 3}'],
    "parameters": ["run", "--parameters", "{top: 3}"],
    "holiday": ["run", "--session", "2022-12-26"],
    "future": ["run", "--session", "2031-01-06"],
    "long ago": ["run", "--session", "1985-01-04"],
    "past": ["run", "--session", "2022-12-27"],
    "half a range": ["run", "--from", "2022-12-27"],
    "empty range": ["run", "--from", "2022-12-24", "--to", "2022-12-26"],
    "order": ["explain", "ob-20221228-0"],
    "orders": ["orders", "--account", "papre"],
    "positions": ["positions", "--account", "papre"],
    "breaks": ["breaks", "--account", "papre"],
    "breakers": ["breakers", "--account", "papre"],
    "resumed": ["resume", "--account", "papre", "--reason", "all clear"],
    "quarantined": ["data", "quarantine", "KOO", "--reason", "misspelt"],
    "repaired": ["data", "repair", "KO", "2022-12-28", "--reason", "neither value nor factor"],
    "accepted": ["data", "release", "KO", "--accept", "JUMP", "--reason", "it has none"],
}


@pytest.fixture(scope="module")
def mistakes(home: Path, begun: Begun) -> Mapping[str, Said]:
    """What is said of each mistake; none of them writes anything."""
    before = row_counts(home)
    said = dict(zip(MISTAKES, openbell_in_turn(home, list(MISTAKES.values())), strict=True))
    assert row_counts(home) == before
    return said


@pytest.fixture(scope="module")
def working(home: Path, pages: Mapping[str, tuple[Said, Said]], mistakes: Mapping[str, Said]) -> list[tuple[str, ...]]:
    """Orders that work at the broker until they are canceled; the sample has no bars of their session."""
    environment = clean_environment() | client_environment(home, server_port(home))
    subprocess.run([sys.executable, "-c", LEAVE_ORDERS_WORKING], env=environment, capture_output=True, check=True)
    return query(home, "SELECT cl_ord_id FROM order_state WHERE account = 'rehearsal' AND is_open")


@pytest.fixture(scope="module")
def stopped(home: Path, working: list[tuple[str, ...]]) -> Said:
    return openbell(home, "stop", "--reason", "the [/red] button")


def server_port(home: Path) -> int:
    return int(json.loads((prefect_home(home) / "server.json").read_text())["port"])


def saved_blocks(home: Path) -> list[tuple[str, ...]]:
    """Return Prefect's saved blocks with their contents."""
    with closing(sqlite3.connect(prefect_home(home) / "prefect.db")) as database:
        return list(database.execute("SELECT name, id, updated, data FROM block_document ORDER BY name"))


def assert_one_line(said: Said, *facts: str) -> None:
    """Assert that a mistake is told in one line that holds these facts, and is no success."""
    assert said.exit_code == 1, said
    assert said.err.startswith("openbell: "), said.err
    assert said.err.count("\n") == 1, said.err
    assert "Traceback" not in said.err + said.out
    assert [fact for fact in facts if fact not in said.err] == [], said.err


def assert_same(cell: str, value: Any) -> None:
    """Assert that the cell of a page says what the JSON does; a page shows minutes, and cash in cents with commas."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        moment = re.fullmatch(r"(\S{10})T(\d\d:\d\d):\S+\+00:00", str(value))
        assert cell == (f"{moment[1]} {moment[2]} UTC" if moment else "" if value is None else str(value))
    else:
        assert abs(Decimal(cell.replace(",", "")) - number) <= Decimal("0.005")


def test_init_makes_a_desk_and_doing_it_again_changes_nothing(home: Path, begun: Begun):
    assert (begun.init.exit_code, begun.init.err) == (0, "")
    assert f"The desk in {home} is ready." in " ".join(begun.init.out.split())
    assert [name for name, *_ in begun.blocks] == ["default", "desk", "paper", "rehearsal", "sample"]
    assert f"{(home / 'ledger.db').stat().st_mode:o}"[-3:] == "600"

    assert begun.init_again == begun.init
    assert saved_blocks(home) == begun.blocks


def test_a_session_is_traded_to_the_last_fill_without_a_break(begun: Begun):
    said = begun.run

    assert (said.exit_code, said.err) == (0, "")
    assert said.out.startswith("2022-12-28: 20 orders sent, 20 of 20 filled, 0 working; after the close 0 breaks")
    assert "Bars of sample for 2022-12-27: TRADE (20 pass; " in said.out
    assert "Breaks: none" in said.out
    assert re.search(r"open http://127\.0\.0\.1:\d+/runs/flow-run/[0-9a-f-]{36}\n", said.out)
    assert "prefect/auth" in said.out


def test_running_a_session_again_places_nothing_and_says_why(home: Path, begun: Begun):
    again = begun.run_again

    assert again.exit_code == 0
    assert again.out.startswith("2022-12-28: 0 orders sent, 20 of 20 filled, 0 working; it had been decided before")
    assert cells(again.out) == cells(begun.run.out)
    assert query(home, "SELECT count(*) FROM paper_order WHERE account = 'paper'") == [(20,)]


def test_a_strategy_of_ones_own_is_traded_within_the_limits(begun: Begun):
    said = begun.own_strategy

    assert said.exit_code == 0, said.err
    assert said.out.startswith("2022-12-28: 1 orders sent, 1 of 1 filled, 0 working")
    assert "refused MAX_ORDER_NOTIONAL" in said.out


@pytest.mark.parametrize("page", ["status", "orders", "positions", "breaks", "filled", "refused", "doctor"])
def test_every_page_can_be_read_as_text_and_as_one_json_document(pages: Mapping[str, tuple[Said, Said]], page: str):
    text, document = pages[page]

    assert (text.exit_code, text.err, document.exit_code, document.err) == (0, "", 0, "")
    json.loads(document.out)


@pytest.mark.parametrize(
    ("page", "rows_of"),
    [
        ("orders", lambda document: document),
        ("positions", lambda document: document["positions"]),
        ("status", lambda document: document["Desk"] + document["Accounts"]),
    ],
)
def test_a_page_and_its_json_hold_the_same_facts(pages: Mapping[str, tuple[Said, Said]], page: str, rows_of: Any):
    text, document = pages[page]
    rows = [list(row.values()) for row in rows_of(json.loads(document.out))]

    shown = cells(text.out)[: len(rows)]  # the status tells its alerts below

    assert len(shown) == len(rows) > 0
    for line, row in zip(shown, rows, strict=True):
        for cell, value in zip(line, row, strict=True):
            assert_same(cell, value)


def test_orders_and_positions_are_those_of_the_ledger(home: Path, pages: Mapping[str, tuple[Said, Said]]):
    orders, positions = (json.loads(pages[page][1].out) for page in ("orders", "positions"))

    recorded = query(home, "SELECT symbol, order_qty, cl_ord_id FROM new_order WHERE account = 'paper'")
    assert sorted((o["symbol"], o["quantity"], o["cl_ord_id"]) for o in orders) == sorted(recorded)
    assert {o["status"] for o in orders} == {"filled"}
    assert {p["symbol"]: p["quantity"] for p in positions["positions"]} == {o["symbol"]: o["filled"] for o in orders}
    spent = sum(Decimal(o["quantity"]) * Decimal(o["price"]) + Decimal(o["commission"]) for o in orders)
    assert Decimal(positions["cash"]) == 1_000_000 - spent


def test_a_filled_order_is_explained_down_to_its_bars(home: Path, pages: Mapping[str, tuple[Said, Said]]):
    text, document = pages["filled"]
    told = json.loads(document.out)

    lineage = "SELECT bars_hash, verdict_id, code_version FROM decision WHERE decision_id = 'rehearsal:2022-12-28:main'"
    ((bars_hash, verdict_id, code_version),) = query(home, lineage)
    assert told["status"] == "filled"
    assert told["decision"]["bars_hash"] == bars_hash
    assert [report["exec_type"] for report in told["reports"]] == ["new", "trade"]
    facts = [bars_hash, verdict_id, code_version, "two_stocks:TwoStocks", "risk gate: accepted", "weight 0.2000"]
    facts += [report["exec_id"] for report in told["reports"]]
    assert [fact for fact in facts if fact not in text.out] == []


def test_a_refused_order_is_explained_by_the_limit_that_it_broke(pages: Mapping[str, tuple[Said, Said]]):
    text, document = pages["refused"]
    told = json.loads(document.out)

    assert (told["order"], told["status"]) == (None, "never made: refused")
    assert told["risk_decision"]["code"] == "MAX_ORDER_NOTIONAL"
    assert (told["sent"], told["reports"]) == ([], [])
    facts = ["risk gate: refused MAX_ORDER_NOTIONAL", "250,000", "never sent", told["decision"]["bars_hash"]]
    assert [fact for fact in facts if fact not in text.out] == []


@pytest.mark.parametrize(
    ("mistake", "facts"),
    [
        ("account", ["'papre'", "saved block", "`openbell init`"]),
        ("strategy", ["'EqualWieght'", "EqualWeight, MomentumRotation, MovingAverageCrossover", "package.module"]),
        ("parameter", ["'tpo'", "MomentumRotation", "top"]),
        ("parameters", ["'{top: 3}'", "a JSON object"]),
        ("holiday", ["2022-12-26 is not a session of XNYS", "2022-12-23 and 2022-12-27"]),
        ("future", ["'2031-01-06'", "has closed", "`openbell up`"]),
        ("long ago", ["'1985-01-04'", "after 1990-01-02"]),
        ("past", ["'2022-12-27'", "2022-12-28 or later", "another account"]),
        ("half a range", ["'2022-12-27'", "both --from and --to"]),
        ("empty range", ["2022-12-24 to 2022-12-26", "a session of XNYS"]),
        ("order", ["ob-20221228-0", "`openbell orders`"]),
        *((page, ["'papre'", "paper, rehearsal"]) for page in ("orders", "positions", "breaks", "breakers", "resumed")),
        ("quarantined", ["'KOO'", "one of the 20 that sample was asked for"]),
        ("repaired", ["nothing", "--close 12.5, or a factor such as --times 100"]),
        ("accepted", ["'JUMP'", "one that KO breaks, and that may be true: none"]),
    ],
)
def test_a_mistake_is_told_in_one_line_with_its_value_rule_and_remedy(
    mistakes: Mapping[str, Said], mistake: str, facts: list[str]
):
    assert_one_line(mistakes[mistake], *facts)


def test_a_symbol_is_quarantined_seen_and_released_by_name(home: Path, mistakes: Mapping[str, Said]):
    because = ["--reason", "two vendors differ"]
    held, shown, released, history = openbell_in_turn(
        home,
        [
            ["data", "quarantine", "KO", *because],
            ["data", "show", "--json"],
            ["data", "release", "KO", *because],
            ["data", "history", "KO", "2022-12-28", "--json"],
        ],
    )
    after = json.loads(openbell(home, "data", "show", "KO", "--json").out)

    assert held.out == "KO of sample is in quarantine until `openbell data release KO`.\n", held
    (row,) = [r for r in json.loads(shown.out)["Not simply passed"] if r["verdict"] == "quarantine"]
    assert row["symbol"] == "KO"
    assert "KO: HELD_BACK by " in row["findings"]
    assert released.out.splitlines()[-1] == "KO passes: pass.", released
    assert after["Findings on KO"] == []
    assert len(after["Bars as they came"]) == 10
    known, versions = json.loads(history.out).values()
    assert [row["session"] for row in known][-1] == "2022-12-28"
    assert [version["close"] for version in versions] == [known[-1]["close"]]


def test_a_desk_that_was_never_made_has_nothing_to_read_and_stays_unmade(tmp_path: Path):
    said = openbell(tmp_path / "desk", "orders")

    assert_one_line(said, f"'{tmp_path}/desk/ledger.db'", "`openbell init`", "OPENBELL_HOME")
    assert not (tmp_path / "desk").exists()


def test_a_port_that_another_program_has_is_named(tmp_path: Path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        said = openbell(tmp_path, "run", "--port", str(port))

    assert_one_line(said, f"port {port}", "another program", "--port")
    assert not (tmp_path / "ledger.db").exists()


def test_help_is_told_without_loading_what_only_trading_needs(tmp_path: Path):
    command = [sys.executable, "-X", "importtime", str(OPENBELL), "--help"]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    loaded = {line.split("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "Usage: openbell" in done.stdout
    assert "cyclopts" in loaded
    assert loaded.isdisjoint({"prefect", "pandas", "numpy", "great_expectations", "sqlalchemy", "skfolio", "flows"})


def test_the_ledger_is_read_without_prefect(home: Path, begun: Begun):
    code = "import sys; from cli.shell import open_ledger; open_ledger(); print('prefect' in sys.modules)"
    environment = clean_environment() | {"OPENBELL_HOME": str(home)}

    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"  # its settings would be read before its address is known


def test_stop_halts_the_desk_and_cancels_every_working_order(home: Path, working: list[tuple[str, ...]], stopped: Said):
    assert len(working) >= 10

    assert (stopped.exit_code, stopped.err) == (0, "")
    assert "The desk is halted." in stopped.out
    assert f"rehearsal: {len(working)} orders canceled or done, 0 still open" in stopped.out
    states = dict(query(home, "SELECT cl_ord_id, ord_status FROM order_state WHERE account = 'rehearsal'"))
    at_broker = dict(query(home, "SELECT cl_ord_id, ord_status FROM paper_order WHERE account = 'rehearsal'"))
    assert {(states[cl_ord_id], at_broker[cl_ord_id]) for (cl_ord_id,) in working} == {("canceled", "canceled")}


def test_a_halted_desk_trades_again_only_after_the_stop_file_is_gone_and_a_person_resumed(home: Path, stopped: Said):
    undecided, resume = ["run", "--session", "2022-12-29"], ["resume", "--reason", "all clear"]
    stop_file = home / "STOP"
    before = row_counts(home)["paper_order"]

    refused, resumed, status = openbell_in_turn(home, [undecided, resume, ["status", "--json"]])
    assert_one_line(refused, "desk is halted: the [/red] button", "`openbell resume")
    assert (resumed.exit_code, json.loads(status.out)["Desk"][0]["trades"]) == (0, "yes")

    stop_file.touch()
    not_resumed, refused = openbell_in_turn(home, [resume, undecided])
    assert_one_line(not_resumed, f"{stop_file} is there", "remove the STOP file")
    assert_one_line(refused, f"{stop_file} is there", "remove the STOP file")

    stop_file.unlink()
    status, resumed, status_after = openbell_in_turn(home, [["status", "--json"], resume, ["status", "--json"]])
    halts, halts_after = (json.loads(said.out)["Halts"] for said in (status, status_after))
    assert ([halt["scope"] for halt in halts], resumed.exit_code, halts_after) == (["desk"], 0, [])
    assert row_counts(home)["paper_order"] == before
    assert query(home, "SELECT count(*) FROM new_order WHERE session = '2022-12-29' AND account = 'paper'") == [(0,)]
