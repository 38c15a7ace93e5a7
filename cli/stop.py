"""Stop: cancel what is working at the broker, and close what is held if that is asked; no Prefect server is needed."""

import asyncio
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.heartbeats import stops_under_way
from blocks.plug import pull_the_plug
from cli.accounts import block_name, require_known
from cli.shell import open_ledger, person, prefect, say
from trading.errors import InvalidValue, LedgerError, TradingError

if TYPE_CHECKING:
    from adapters.sql.ledger import Ledger
    from blocks.desk import Desk
    from blocks.desk_storage import DeskStorage
    from tasks.stop import Stopped
    from trading.orders.flatten import FlattenRules

DESK = "desk"


class NotAllCanceled(TradingError):
    """The desk is halted, but some orders may still trade, or positions are held that were to be closed."""

    def __init__(self, accounts: Sequence[str]) -> None:
        self.accounts = tuple(accounts)
        super().__init__(
            f"the desk is halted, but orders of {', '.join(accounts)} may still trade, or what was to be closed is "
            "held; run `openbell stop` again, or do it at the broker"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequest:
    """What a person has asked for.

    Attributes:
        account: None means all.
        limit_band_pct: of the closing orders; None sends market orders.
    """

    home: Path
    port: int
    reason: str
    account: str | None = None
    flatten: bool = False
    limit_band_pct: Decimal | None = None

    def __post_init__(self) -> None:
        if self.limit_band_pct is not None and not (self.flatten and 0 < self.limit_band_pct < 100):
            raise InvalidValue("--limit-band-pct", str(self.limit_band_pct), "between 0 and 100, with --flatten")


def stop(asked: StopRequest) -> None:
    """Do it, the most urgent first: STOP file, plug, halt, cancel, close; what another stop is at is left to it.

    Raises:
        LedgerError: the halt cannot be written; the STOP file stays and halts the desk.
        NotAllCanceled: something may still trade.
        InvalidValue: no account of that name was ever opened; it is halted all the same.
    """
    stop_file = asked.home / "STOP"
    is_mine = asked.account is None and asked.home.is_dir() and _touch(stop_file)
    # Who stops one already has canceled there, and may be closing: what closes is not to be canceled.
    stopped_by_another = {other.account for other in stops_under_way(asked.home, datetime.now(UTC))}
    for line in asyncio.run(pull_the_plug(asked.home, asked.account, but_for=stopped_by_another)):
        say(line, markup=False)
    try:
        ledger = open_ledger()
        _halt(ledger, asked)
    except LedgerError:
        _touch(stop_file)
        if stop_file.exists():
            say(f"The ledger cannot be written; {stop_file} halts the desk instead.", markup=False)
        raise
    if is_mine:
        stop_file.unlink(missing_ok=True)  # the ledger holds the halt now
    whom = f"Account {asked.account}" if asked.account else "The desk"
    option = f" --account {asked.account}" if asked.account else ""
    say(f"[bold red]{whom} is halted.[/bold red] Nothing is sent until `openbell resume{option} --reason TEXT`.")
    unsafe = _stop_accounts(ledger, asked, stopped_by_another)
    if unsafe:
        raise NotAllCanceled(unsafe)
    if asked.account:  # last, as nothing may keep a stop waiting; another account than was meant may trade on
        require_known(ledger, asked.home, asked.account)


def _touch(stop_file: Path) -> bool:
    """Put the STOP file there, which halts at once and needs no ledger; False when a person had, or it cannot be."""
    try:
        with stop_file.open("x") as file:
            file.write(str(os.getpid()))  # by which the watchdog knows that somebody is at it
    except FileExistsError:
        return False
    except OSError as exc:  # a disk that is full or read-only must not keep the brokers from being told
        say(f"{stop_file} cannot be written: {exc.strerror}", markup=False)
        return False
    return True


def _halt(ledger: "Ledger", asked: StopRequest) -> None:
    from adapters.sql.fence import force_halt

    scope = asked.account or DESK
    for ended in force_halt(ledger.engine, ledger.halts, scope, asked.reason, person(), datetime.now(UTC)):
        say(str(ended), markup=False)


def _stop_accounts(ledger: "Ledger", asked: StopRequest, last: Collection[str]) -> list[str]:
    """Stop each account that may have something to stop, and return those of which something is left.

    Args:
        last: accounts that another process stops, which is waited for.
    """
    known = ledger.journal.accounts() if asked.account is None else (asked.account,)
    accounts = [a for a in known if asked.flatten or ledger.leases.held_by(a) or _works(ledger, a)]
    if not accounts:
        return []
    from cli.prefect_server import adopt, client_environment

    # Read when Prefect is imported, as the blocks are made of it; no server is asked.
    adopt(client_environment(asked.home, asked.port))
    accounts.sort(key=lambda account: account in last)
    return [account for account in accounts if not _stop_account(account, asked)]


def _works(ledger: "Ledger", account: str) -> bool:
    return bool(ledger.journal.orders(account, open_only=True))


def _stop_account(account: str, asked: StopRequest) -> bool:
    from cli.prepare import desk_storage

    try:
        desk = _kept_desk(account, desk_storage(asked.home))
        if desk is None:  # never opened by this version: only Prefect knows its settings
            with prefect(asked.home, asked.port):
                stopped = asyncio.run(_stop_saved(account, asked))
        else:
            stopped = asyncio.run(_stop(desk, asked))
    except TradingError as exc:
        say(f"{account}: {exc}", markup=False)
        return False
    for line in stopped.lines():
        say(line, markup=False)
    return stopped.is_safe


def _kept_desk(account: str, places: "DeskStorage") -> "Desk | None":
    from blocks.desk import open_kept_desk

    try:
        return open_kept_desk(account, places)
    except InvalidValue as exc:
        say(str(exc), markup=False)
        return None


async def _stop_saved(account: str, asked: StopRequest) -> "Stopped":
    from blocks.desk import open_desk

    return await _stop(await open_desk(await block_name(account), "desk"), asked)


async def _stop(desk: "Desk", asked: StopRequest) -> "Stopped":
    from blocks.desk import wall_clock
    from tasks.stop import stop_account

    return await stop_account(
        desk,
        reason=asked.reason,
        flatten=_rules(asked),
        clock=wall_clock,
        actor=person(),
        say=_plainly,
    )


def _rules(asked: StopRequest) -> "FlattenRules | None":
    from trading.orders.flatten import FlattenRules

    return FlattenRules(limit_band_pct=asked.limit_band_pct) if asked.flatten else None


def _plainly(line: str) -> None:
    say(line, markup=False)
