"""What every command needs of the shell: a voice, the person at it, the ledger, a Prefect server."""

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cli.prepare import home_folder, ledger_place
from trading.errors import InvalidValue

if TYPE_CHECKING:
    from adapters.sql.ledger import Ledger
    from adapters.sql.ledger_place import LedgerPlace
    from adapters.sql.outbox import SqlOutbox
    from cli.prefect_server import PrefectServer


def say(text: str, *, markup: bool = True) -> None:
    """Print a line."""
    from rich.console import Console  # a tenth of a second that `stop` has no time for at its start

    Console().print(text, markup=markup)


def person() -> str:
    """Return who is at the shell, for the audit trail."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return f"uid {os.getuid()}"


@contextmanager
def prefect(home: Path, port: int) -> Iterator["PrefectServer"]:
    """Have a Prefect server, and make its settings this process's own before Prefect is imported."""
    from cli.prefect_server import adopt, client_environment, running_server

    with running_server(home, port) as server:
        # A failed run is told in one line here; the UI keeps its log.
        adopt(client_environment(home, server.port) | {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"})
        yield server


def open_ledger() -> "Ledger":
    """Open the ledger without Prefect: what is read here must be readable when nothing else runs."""
    from adapters.sql.ledger import Ledger

    return Ledger.of(_place())


def open_outbox() -> "SqlOutbox":
    """Open the outbox alone, for those who are in a hurry."""
    from adapters.sql.outbox import SqlOutbox

    return SqlOutbox.of(_place())


def _place() -> "LedgerPlace":
    place = ledger_place(home_folder())
    if place.url is None and not place.file.exists():  # SQLite would make an empty one
        raise InvalidValue("ledger", str(place.file), "there; `openbell init` makes it, OPENBELL_HOME names its folder")
    return place
