"""The pages about Interactive Brokers keep their word: their tables are the code's, their examples run."""

import inspect
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from adapters.ib import ib_settings
from adapters.ib.ib_settings import ContractTerms, IbSettings, MaintenanceWindow, Role
from cli.gateway import DEFAULT_PORT
from cli.openbell import app
from ib_gateway.gateway import Gateway
from ib_gateway.gateway_settings import GatewayAccount, GatewaySettings
from ib_gateway.levers import Levers
from ib_gateway.market_catalogue import full_catalogue
from ib_gateway.presets import PRESETS
from ib_gateway.scenarios import Action, Fault, Scenario
from tests.flows.test_prove_readiness import STEPS

DOCS = Path(__file__).parents[2] / "docs"
SIMULATOR, BROKER = (DOCS / "ib-gateway.md").read_text(), (DOCS / "interactive-brokers.md").read_text()
READINESS = (DOCS / "readiness.md").read_text()
Rows = dict[str, tuple[str, ...]]


def rows(page: str, head: str) -> Rows:
    """Return the rows of the table with that head, by their first cell."""
    _, found, rest = page.partition(f"| {head} |\n")
    assert found, f"no table begins with | {head} |"
    lines = rest.splitlines()[1:]
    end = next((n for n, line in enumerate(lines) if not line.startswith("|")), len(lines))
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:end]]
    return {row[0].strip("`"): tuple(row[1:]) for row in cells}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def fields(model: type) -> dict[str, FieldInfo]:
    return model.model_fields if issubclass(model, BaseModel) else model.__pydantic_fields__


def meanings(model: type) -> dict[str, str]:
    """Return what the code says of each field: in its docstring, or for the form in which it is filled in."""
    _, _, text = (inspect.getdoc(model) or "").partition("Attributes:\n")
    told = dict(re.findall(r"^ {4}(\w+): (.+)$", re.sub(r"\n {8,}", " ", text), re.MULTILINE))
    return told | {name: field.description for name, field in fields(model).items() if field.description}


def shown(value: Any) -> str:
    """Return a default as the pages show it."""
    if value is PydanticUndefined:
        return "needed"
    if value is None or value in ((), "", {}):
        return "none"
    if value == GatewaySettings().accounts:
        return "one"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def defaults(model: type) -> dict[str, str]:
    return {name: shown(field.get_default(call_default_factory=True)) for name, field in fields(model).items()}


TABLES: list[tuple[str, str, type]] = [
    (SIMULATOR, "setting | by default | means", GatewaySettings),
    (SIMULATOR, "of an account | by default | means", GatewayAccount),
    (SIMULATOR, "of a fault | by default | means", Fault),
    (BROKER, "field | by default | means", IbSettings),
    (BROKER, "of a contract | by default | means", ContractTerms),
    (BROKER, "of a window | by default | means", MaintenanceWindow),
]


@pytest.mark.parametrize(("page", "head", "model"), TABLES, ids=[table[1] for table in TABLES])
def test_every_setting_is_on_its_page_with_its_default_and_in_the_words_of_the_code(page: str, head: str, model: type):
    table, words = rows(page, head), meanings(model)

    assert {name: row[0] for name, row in table.items()} == defaults(model)
    assert {name: row[1] for name, row in table.items() if name in words} == words
    assert [name for name, row in table.items() if not row[1]] == []


def test_every_action_of_a_scenario_is_on_the_page():
    table = rows(SIMULATOR, "do | on a client's message | on the gateway's message, or at a time")

    assert set(table) == {action.value for action in Action}


def test_what_the_page_says_is_listed_is_what_is_listed():
    listed: dict[str, set[str]] = {}
    for listing in full_catalogue().all():
        contract = listing.contract
        name = contract.local_symbol if contract.sec_type == "CASH" else contract.symbol
        listed.setdefault(contract.sec_type, set()).add(name)

    assert {kind: set(row[0].split()) for kind, row in rows(SIMULATOR, "kind | symbols").items()} == listed


def test_every_lever_of_the_gateway_is_on_the_page():
    seen = {"accepted", "positions", "cash", "wire_log"}
    inside = {"order", "find_for_order"}  # asked by its own parts
    gateway, table = Gateway(), rows(SIMULATOR, "of `Gateway` | does")

    levers = {name for name in vars(Levers) if not name.startswith("_")} - inside

    assert set(table) == levers | seen | {"restart", "go_away", "come_back"}
    assert [name for name in table if not hasattr(gateway, name)] == []


def test_every_scenario_that_has_a_name_is_on_the_page():
    assert set(rows(SIMULATOR, "scenario | brings")) == set(PRESETS)


def test_the_options_on_the_page_are_those_of_the_command(capsys: pytest.CaptureFixture[str]):
    app.parse_args(["gateway", "--port", "1"], exit_on_error=False)
    with pytest.raises(SystemExit):
        app(["gateway", "--help"])
    helped = set(re.findall(r"--([a-z]+)\b", capsys.readouterr().out)) - {"help"}

    assert {name.removeprefix("--") for name in rows(SIMULATOR, "option | means")} == helped
    assert DEFAULT_PORT == 4002


def test_the_scenario_on_the_page_can_be_read():
    (example,) = blocks(SIMULATOR, "toml")

    scenario = Scenario.model_validate(tomllib.loads(example))

    assert [fault.do for fault in scenario.faults] == [Action.HANG, Action.KILL_AFTER, Action.LOSE_LINK]


async def test_the_test_on_the_page_passes():
    (code,) = blocks(SIMULATOR, "python")
    defined: dict[str, Any] = {}

    exec(code, defined)

    await defined["a_fill_that_is_told_twice_counts_once"]()


def test_the_words_by_which_a_failure_is_known_are_those_of_the_adapter():
    source = "".join(file.read_text() for file in Path(ib_settings.__file__).parent.glob("*.py"))

    symptoms = rows(BROKER, "symptom | what the desk does | what you do")
    quoted = re.findall(r"`([a-z ]{12,})", " ".join(symptoms))

    assert len(quoted) >= 3
    assert [words for words in quoted if words.strip() not in source] == []


def test_the_client_ids_on_the_page_are_those_of_the_roles():
    table = rows(BROKER, "role | client id | may")

    assert {name: int(row[0]) for name, row in table.items()} == {
        role.name.lower(): IbSettings().client_id_of(role) for role in Role
    }


@pytest.mark.parametrize("page", [SIMULATOR, BROKER, READINESS])
def test_the_commands_and_files_that_are_named_are_there(page: str):
    commands = set(re.findall(r"`openbell ([a-z]+)", page))
    commands |= set(re.findall(r"^\$ openbell ([a-z]+)", page, re.MULTILINE))
    linked = re.findall(r"\]\(((?!http)[^)#]+)\)", page)

    assert [name for name in sorted(commands) if name not in app] == []
    assert [path for path in linked if not (DOCS / path).exists()] == []


def test_every_check_before_real_money_is_on_its_page():
    head = "check | means | the way out"
    _, _, rest = READINESS.partition(f"| {head} |\n")

    assert [*rows(READINESS, head), *rows(rest, head)] == STEPS


def test_the_deployments_that_are_named_are_deployed():
    named = set(re.findall(r"deployment `([a-z-]+)`", READINESS + BROKER))
    deployed = set(re.findall(r"^  - name: ([a-z-]+)$", (DOCS.parent / "prefect.yaml").read_text(), re.MULTILINE))

    assert named == {"check-books", "prove-readiness"}
    assert named <= deployed
