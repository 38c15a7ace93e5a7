"""Run the simulated IB Gateway in the foreground, until Ctrl-C or SIGTERM."""

import asyncio
import csv
import errno
import fcntl
import logging
import signal
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.markup import escape

from ib_gateway.contracts import Contract
from ib_gateway.gateway import Gateway, utc_now
from ib_gateway.gateway_settings import GatewaySettings
from ib_gateway.journal import BrokenState
from ib_gateway.market import Market
from ib_gateway.market_replay import ReplayBar, read_bars
from ib_gateway.presets import PRESETS, preset
from ib_gateway.scenarios import Scenario
from trading.errors import InvalidValue, TradingError

DEFAULT_PORT = 4002  # the paper port of the real one
STATE_FILE = "gateway-state.json"
PORTS = range(65536)  # 0 takes a free one
M = TypeVar("M", bound=BaseModel)


class GatewayNotUp(TradingError):
    """The simulator cannot listen where it was told to."""

    def __init__(self, where: str, exc: OSError) -> None:
        self.where, taken = where, exc.errno == errno.EADDRINUSE
        why = "a program listens there: TWS, Gateway or a simulator" if taken else exc.strerror or str(exc)
        super().__init__(f"the gateway cannot listen on {where} ({why}); end that, or give another --port or --host")


def run_gateway(
    home: Path,
    *,
    host: str | None = None,
    port: int | None = None,
    scenario: str | None = None,
    replay: Path | None = None,
    settings: Path | None = None,
    state: Path | None = None,
    at: datetime | None = None,
) -> None:
    """Serve until Ctrl-C or SIGTERM; what is given here goes before what the settings file says.

    Args:
        scenario: a file, or the name of one of `ib_gateway.presets`.
        at: time its clock starts at; without a zone UTC.

    Raises:
        InvalidValue: a file cannot be read or is wrong, or is another gateway's.
        GatewayNotUp: the port is in use, or the address is not this machine's.
    """
    chosen = _chosen_settings(home, settings, {"host": host, "port": port, "state_file": state})
    faults = _scenario(scenario, chosen.seed) if scenario else Scenario()
    bars = _replayed(replay) if replay else []
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    with _own_state(chosen.state_file):
        market = Market(seed=chosen.seed, replay=bars)
        gateway = Gateway(chosen, faults, market=market, now=_clock(at))
        asyncio.run(_serve(gateway, faults, bars))


def _chosen_settings(home: Path, file: Path | None, given: Mapping[str, Any]) -> GatewaySettings:
    from_file = _model(GatewaySettings, "settings", file) if file else GatewaySettings()
    usual = {"port": DEFAULT_PORT, "state_file": home / STATE_FILE}
    unsaid = {name: value for name, value in usual.items() if name not in from_file.model_fields_set}
    chosen = from_file.model_copy(update=unsaid | {name: value for name, value in given.items() if value is not None})
    if chosen.port not in PORTS:
        raise InvalidValue("port", chosen.port, f"from 0 (a free one) to {PORTS[-1]}")
    if not chosen.accounts:
        raise InvalidValue("settings file", str(file), "with one account or more")
    return chosen


def _scenario(name: str, seed: int) -> Scenario:
    if name in PRESETS:
        return preset(name, seed)
    try:
        return _model(Scenario, "scenario", Path(name))
    except InvalidValue as exc:
        if Path(name).exists():
            raise
        raise InvalidValue("scenario", name, f"a file that is there, or one of {', '.join(PRESETS)}") from exc


def _clock(at: datetime | None) -> Callable[[], datetime]:
    if at is None:
        return utc_now
    ahead = (at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)) - utc_now()
    return lambda: utc_now() + ahead


# files


def _model(model: type[M], what: str, path: Path) -> M:
    """Read a JSON or TOML file into a model."""
    text = _text(what, path)
    try:
        if path.suffix == ".toml":
            return model.model_validate(tomllib.loads(text))
        return model.model_validate_json(text)
    except ValidationError as exc:
        first, more = exc.errors()[0], exc.error_count() - 1
        where = ".".join(str(part) for part in first["loc"])
        found = f"{where}: {first['msg']}" if where else first["msg"]
        rest = f"; and {more} more" if more else ""
        raise InvalidValue(f"{what} file", str(path), f"without mistakes ({found}{rest})") from exc
    except tomllib.TOMLDecodeError as exc:
        raise InvalidValue(f"{what} file", str(path), f"TOML ({exc})") from exc


def _text(what: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is no text in UTF-8"
        raise InvalidValue(f"{what} file", str(path), f"a file that can be read ({why})") from exc


def _replayed(path: Path) -> list[ReplayBar]:
    try:
        bars = read_bars(_text("replay", path).splitlines())
    except (ValueError, csv.Error) as exc:
        raise InvalidValue("replay file", str(path), f"a CSV file of bars ({exc})") from exc
    if not bars:
        raise InvalidValue("replay file", str(path), "a CSV file with a header and at least one bar")
    return bars


@contextmanager
def _own_state(path: Path | None) -> Iterator[None]:
    """Have the state file alone: two gateways that append to one would mix their orders."""
    if path is None:
        yield
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as exc:
        raise InvalidValue("state file", str(path), f"a file that can be written ({exc.strerror})") from exc
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise InvalidValue("state file", str(path), "no running gateway's; give --state another file") from exc
        yield


# serving


async def _serve(gateway: Gateway, scenario: Scenario, bars: Sequence[ReplayBar]) -> None:
    asked, console = asyncio.Event(), Console()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    await _start(gateway)
    try:
        _require_known(gateway)
        for line in _greeting(gateway, scenario, bars):
            console.print(line, highlight=False, soft_wrap=True)
        await asked.wait()
    finally:
        await gateway.stop()
    console.print("The gateway is down.")


async def _start(gateway: Gateway) -> None:
    try:
        await gateway.start()
    except BrokenState as exc:
        raise InvalidValue("state file", str(exc.path), f"as a gateway wrote it; line {exc.line} is no order") from exc
    except OSError as exc:
        raise GatewayNotUp(f"{gateway.host}:{gateway.settings.port}", exc) from exc


def _require_known(gateway: Gateway) -> None:
    """Refuse a state file of other accounts or other recorded symbols: its orders could not be told of."""
    for order in gateway.accepted:
        listed = gateway.market.find(Contract(con_id=order.contract.con_id, symbol=order.symbol))
        unknown = order.account if order.account not in gateway.accounts else order.symbol
        if order.account not in gateway.accounts or not (listed or order.contract.sec_type == "BAG"):
            rule = f"one whose orders fit the settings and --replay; {unknown} is in it and not in them"
            raise InvalidValue("state file", str(gateway.settings.state_file), f"{rule}: give --state another file")


def _greeting(gateway: Gateway, scenario: Scenario, bars: Sequence[ReplayBar]) -> Iterator[str]:
    settings, place = gateway.settings, f"{gateway.host}:{gateway.port}"
    yield f"A simulated IB Gateway listens on [bold]{escape(place)}[/bold]; nothing here reaches a market."
    for account in gateway.accounts.values():
        held = ", ".join(f"{qty:f} {symbol}" for symbol, qty in gateway.positions(account.name).items())
        cash = f"{account.own_cash():,.2f} {account.opening.currency}"
        yield escape(f"Account {account.name}: {cash}, {f'holds {held}' if held else 'no positions'}")
    yield f"Seed {settings.seed}; its clock shows {gateway.now():%Y-%m-%d %H:%M} UTC"
    if settings.state_file:
        working = sum(1 for _ in gateway.exchange.working())
        known = f"{len(gateway.accepted)} known, {working} working"
        yield escape(f"Orders are kept in {settings.state_file} ({known})")
    if scenario.faults:
        yield f"Scenario: {len(scenario.faults)} fault(s), seed {scenario.seed}"
    if bars:
        yield escape(_replay_line(gateway, bars))
    yield "Stop: Ctrl-C"


def _replay_line(gateway: Gateway, bars: Sequence[ReplayBar]) -> str:
    first, last = min(bar.opens_at for bar in bars), max(bar.closes_at for bar in bars)
    symbols = len({bar.symbol for bar in bars})
    line = f"Replay: {symbols} symbol(s), {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
    if gateway.now() < last:
        return line
    return f"{line}; the clock is past them, so prices stay at the last close (--at sets the clock)"
