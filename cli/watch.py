"""`openbell watch`: what the watch of an account sees, once a second."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from adapters.watch_files import WatchFiles
from cli.children import lives
from cli.prepare import home_folder
from cli.shell import open_outbox
from trading.errors import InvalidValue, TradingError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from adapters.sql.outbox import SqlOutbox
    from cli.watch_screen import Seen

_REFRESH_SECONDS = 1.0


def watch(
    *,
    account: Annotated[str, Parameter(help="Name of the broker account.")] = "paper",
    once: Annotated[bool, Parameter(negative=(), help="Print it once, every row; also done for a pipe.")] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative=(), help="Print the status as JSON, once.")] = False,
) -> None:
    """Show what the watch of the market sees: positions, symbols, broken rules, the feed; Ctrl-C ends it."""
    from rich.live import Live

    from cli.pages import page, show_json

    files, outbox, console = WatchFiles(home_folder(), account), _outbox(), page()
    seen = _seen(files, outbox)
    if as_json:
        show_json(seen.status)
        return
    if once or not console.is_terminal:
        console.print(_screen(files, seen, console))
        return
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(_screen(files, _seen(files, outbox), console, console.height), refresh=True)
                time.sleep(_REFRESH_SECONDS)
    except KeyboardInterrupt:
        return


def _seen(files: WatchFiles, outbox: "SqlOutbox | None") -> "Seen":
    from cli.watch_screen import Seen

    status, heard_at = files.read_status(), files.heard_at()
    if status is None or heard_at is None:
        rule = "one whose market is watched; the deployment watch-market, run on Prefect's page, begins a watch"
        raise InvalidValue("account", files.account, rule)
    with _of_this_version(files):
        return Seen(
            status=status,
            age=max(timedelta(0), datetime.now(UTC) - heard_at),
            is_alive=lives(int(status["pid"]), float(status["created"])),
            open_alerts=_open_alerts(outbox),
        )


def _screen(files: WatchFiles, seen: "Seen", console: "Console", height: int | None = None) -> "RenderableType":
    from cli.watch_screen import screen

    with _of_this_version(files):
        return screen(seen, console, height)


@contextmanager
def _of_this_version(files: WatchFiles) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError) as exc:
        rule = f"as a watch of this version writes it ({exc!r})"
        raise InvalidValue("status of the watch", str(files.status_path), rule) from exc


def _outbox() -> "SqlOutbox | None":
    try:
        return open_outbox()
    except TradingError:  # the screen shows that the alerts are not known
        return None


def _open_alerts(outbox: "SqlOutbox | None") -> int | None:
    try:
        return len(outbox.open()) if outbox is not None else None
    except TradingError:
        return None
