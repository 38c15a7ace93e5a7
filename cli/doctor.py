"""Check what the desk needs of its machine, and say how to mend what is missing."""

import os
import shutil
import socket
import sys
import time
from datetime import UTC, date, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cli.prefect_server import ServerUnavailable, running_server
from trading.market.calendars import TradingCalendar
from trading.readiness import Check

_FREE_GB = 2.0
_BUILT = datetime(2026, 11, 1, tzinfo=UTC)  # before this version was written, so no clock that is right shows less
_CEILINGS = {
    "fastapi": ((0, 151), "Prefect 3.8 cannot start a flow with a later one"),
    "sqlalchemy": ((2, 1), "with a later one Prefect 3.8 plans no scheduled run, and tells only its log"),
}
_EXCLUSIVE = (("ib_async", "ib_insync"), ("aeventkit", "eventkit"))


def checkup(home: Path, *, start_server: bool = False) -> list[Check]:
    """Return all checks of this machine for a desk in `home`.

    Args:
        start_server: also start a Prefect server for a moment, in a folder of its own; takes 5 to 20 s.
    """
    checks = [
        _python(),
        *(_ceiling(name, below, why) for name, (below, why) in _CEILINGS.items()),
        *(_exclusive(ours, theirs) for ours, theirs in _EXCLUSIVE),
        _home(home),
        _disk(home),
        _clock(),
        _time_zones(),
        _calendar(),
    ]
    return [*checks, _server()] if start_server else checks


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    ok = (3, 11) <= sys.version_info[:2] < (3, 14)
    return Check(name="Python", ok=ok, text=found, remedy=None if ok else "install Openbell with Python 3.11 to 3.13")


def _ceiling(package: str, below: tuple[int, int], why: str) -> Check:
    found, limit = version(package), ".".join(map(str, below))
    ok = tuple(int(part) for part in found.split(".")[:2]) < below
    remedy = None if ok else f"pip install '{package}<{limit}': {why}"
    return Check(name=package, ok=ok, text=f"{found}, must be below {limit}", remedy=remedy)


def _exclusive(ours: str, theirs: str) -> Check:
    """Check that two packages that write the same folder are not both installed: the later one broke the earlier."""
    installed = [name for name in (ours, theirs) if _is_installed(name)]
    ok = len(installed) < 2
    return Check(
        name=f"{ours} or {theirs}",
        ok=ok,
        text=" and ".join(installed) or "neither",
        remedy=None if ok else f"pip uninstall {theirs} {ours}, then install the one you use again",
    )


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def _home(home: Path) -> Check:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with TemporaryFile(dir=home) as file:
            file.write(b"x")
            os.fsync(file.fileno())
    except OSError as exc:
        return Check(
            name="home", ok=False, text=f"{home}: {exc.strerror}", remedy="make it yours, or set OPENBELL_HOME"
        )
    return Check(name="home", ok=True, text=f"{home} can be written")


def _disk(home: Path) -> Check:
    folder = next(folder for folder in (home.absolute(), *home.absolute().parents) if folder.exists())
    free_gb = shutil.disk_usage(folder).free / 1e9
    ok = free_gb >= _FREE_GB
    text = f"{free_gb:.1f} GB free, wanted {_FREE_GB:.0f}"
    return Check(name="disk", ok=ok, text=text, remedy=None if ok else f"free some space on the disk of {folder}")


def _clock() -> Check:
    now = datetime.now(UTC)
    ok = now > _BUILT
    remedy = None if ok else "set the clock (timedatectl set-ntp true): sessions and deadlines come from it"
    return Check(name="clock", ok=ok, text=f"{now:%Y-%m-%d %H:%M} UTC", remedy=remedy)


def _time_zones() -> Check:
    try:
        text = f"it is {datetime.now(ZoneInfo('America/New_York')):%H:%M %Z} in New York"
    except ZoneInfoNotFoundError:
        return Check(name="time zones", ok=False, text="America/New_York is not known", remedy="pip install tzdata")
    return Check(name="time zones", ok=True, text=text)


def _calendar() -> Check:
    try:
        calendar = TradingCalendar("XNYS")
        ok = not calendar.is_session(date(2026, 12, 25))
        text = f"XNYS trades next on {calendar.session_on_or_after(datetime.now(UTC).date())}"
    except Exception as exc:  # noqa: BLE001 - whatever breaks the calendar is what this check is to find
        ok, text = False, f"XNYS: {type(exc).__name__}: {exc}"
    remedy = None if ok else "pip install --force-reinstall 'exchange-calendars>=4.11,<5'"
    return Check(name="exchange calendar", ok=ok, text=text, remedy=remedy)


def _server() -> Check:
    """Start a server in a folder of its own: the one way to know that the installed versions fit together."""
    began = time.monotonic()
    try:
        with TemporaryDirectory() as folder, running_server(Path(folder), _free_port()):
            text = f"started in {time.monotonic() - began:.0f} s"
    except ServerUnavailable as exc:
        return Check(name="Prefect server", ok=False, text=str(exc), remedy="pip install -r requirements.lock")
    return Check(name="Prefect server", ok=True, text=text)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
