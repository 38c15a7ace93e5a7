"""Prepare a desk: migrate its ledger, save its first settings. Doing it twice changes nothing."""

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from trading.errors import InvalidValue

if TYPE_CHECKING:  # importing Prefect reads its settings, which are not set yet
    from prefect.blocks.core import Block

    from adapters.sql.ledger_place import LedgerPlace
    from blocks.desk_storage import DeskStorage

PREFECT_PORT = 4200
B = TypeVar("B", bound="Block")


def home_folder() -> Path:
    """Return the desk's folder: OPENBELL_HOME, or `~/.openbell`."""
    return Path(os.environ.get("OPENBELL_HOME") or Path.home() / ".openbell").expanduser().absolute()


def ledger_place(home: Path) -> "LedgerPlace":
    """Return the ledger of that folder; OPENBELL_LEDGER_URL puts it elsewhere than in a SQLite file there.

    Raises:
        InvalidValue: `openbell init` was given another one. A desk on the wrong ledger knows of no order and no halt.
    """
    from adapters.sql.ledger_place import LedgerPlace

    url = os.environ.get("OPENBELL_LEDGER_URL")
    if _told(home).exists() and _told(home).read_text() != _digest(url):
        now = "not set" if url is None else "another one"
        raise InvalidValue("OPENBELL_LEDGER_URL", now, "what it was at the last `openbell init`; set it, or init anew")
    return LedgerPlace(home=home, url=url)


def _told(home: Path) -> Path:
    return home / "ledger.sha256"


def _digest(url: str | None) -> str:
    return hashlib.sha256((url or "").encode()).hexdigest()  # the address may hold a password


def desk_storage(home: Path) -> "DeskStorage":
    """Return where the desk of that folder keeps things; its folder is made when it is missing."""
    from pydantic import SecretStr

    from blocks.desk_storage import DeskStorage

    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    url = ledger_place(home).url
    return DeskStorage(home=home, ledger_url=SecretStr(url) if url else None)


async def prepare(home: Path, *, move_ledger: bool = False) -> None:
    """Migrate the ledger and save the blocks that are missing. Prefect's environment must be set before.

    Saved are: `desk` (storage), `default` (limits), `sample` (bars), and two paper accounts, `paper` and `rehearsal`.

    Args:
        move_ledger: take the ledger that OPENBELL_LEDGER_URL names now, whatever was saved before.

    Raises:
        InvalidValue: the ledger is another one than the desk was made with.
    """
    from adapters.sql.schema import migrate
    from blocks.alert_channels import AlertChannels
    from blocks.bar_source import BarSource
    from blocks.broker_account import BrokerAccount
    from blocks.desk_storage import DeskStorage
    from blocks.kept_channels import keep_channels
    from blocks.market_feed import MarketFeed
    from blocks.risk_limits import RiskLimitsBlock

    for kind in (AlertChannels, BarSource, BrokerAccount, DeskStorage, MarketFeed, RiskLimitsBlock):
        await kind.aregister_type_and_schema()
    if move_ledger:
        _told(home).unlink(missing_ok=True)
    storage = desk_storage(home)
    saved = await _saved(DeskStorage, "desk")
    if saved is not None:
        storage = storage.model_copy(update={"alerts": saved.alerts})
    if saved is not None and saved.ledger_url != storage.ledger_url and not move_ledger:
        rule = "the address in OPENBELL_LEDGER_URL; `openbell init` takes the latter"
        raise InvalidValue("ledger_url of the desk storage block", "another one", rule)
    if saved is None or (saved.home, saved.ledger_url) != (storage.home, storage.ledger_url):
        await storage.asave("desk", overwrite=True)
    keep_channels(home, storage.alerts)
    migrate(storage.engine())
    _told(home).write_text(_digest(ledger_place(home).url))
    limits = await _saved(RiskLimitsBlock, "default") or await _save(RiskLimitsBlock(), "default")
    source = await _saved(BarSource, "sample") or await _save(BarSource(name="sample"), "sample")
    for account in ("paper", "rehearsal"):
        if await _saved(BrokerAccount, account) is None:
            await _save(BrokerAccount(account=account, bar_source=source, risk_limits=limits), account)


async def _saved(kind: type[B], name: str) -> B | None:
    try:
        return await kind.aload(name)
    except ValueError:
        return None


async def _save(block: B, name: str) -> B:
    await block.asave(name)
    return block
