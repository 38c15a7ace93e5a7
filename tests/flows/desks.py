"""Desks to test with: a folder and its saved settings; each test gets a copy of one that was prepared once."""

import itertools
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from decimal import Decimal
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from prefect.blocks.core import Block
from prefect.client.schemas.objects import State
from pydantic import SecretStr

from adapters.sample_bars import SampleBars
from adapters.sql.engine import reading
from adapters.sql.schema import migrate
from blocks.alert_channels import AlertChannels
from blocks.bar_source import BarSource
from blocks.broker_account import BrokerAccount
from blocks.desk import Ledger
from blocks.desk_storage import DeskStorage
from blocks.risk_limits import RiskLimitsBlock
from flows.ingest_bars import ingest_bars
from flows.reconcile_day import reconcile_day
from flows.trade_session import trade_session
from trading.alerts import Alert
from trading.orders.orders import Order
from trading.risk.breakers import BreakerRules
from trading.risk.limits import RiskLimits
from trading.risk.measure_limits import MeasureLimits

HOLIDAY = date(2022, 12, 26)  # Christmas Day was a Sunday
FRIDAY, TUESDAY, WEDNESDAY = date(2022, 12, 23), date(2022, 12, 27), date(2022, 12, 28)  # the sample's last sessions
SYMBOLS = (
    "AAPL", "AMD", "BAC", "BBY", "CVX", "GE", "HD", "JNJ", "JPM", "KO",
    "LLY", "MRK", "MSFT", "PEP", "PFE", "PG", "RRC", "UNH", "WMT", "XOM",
)  # fmt: skip
NO_BREAKERS = BreakerRules(  # for a desk that is to go on through whatever falls
    **{f.name: replace(getattr(BreakerRules(), f.name), enabled=False) for f in fields(BreakerRules)}
)
Copy = Callable[..., Awaitable["DeskFolder"]]  # copies a prepared desk into the test's own folder
_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class DeskFolder:
    """A desk's folder, its account in the ledger, and the names of its blocks."""

    home: Path
    account: str
    storage: str
    account_block: str
    source: str

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger.of(DeskStorage(home=self.home))

    async def ingest(self, session: date | None, **parameters: Any) -> State[Any]:
        return await ingest_bars(
            session,
            source=self.source,
            storage=self.storage,
            **{"history_sessions": 30} | parameters,
            return_state=True,
        )

    async def trade(self, session: date | None = WEDNESDAY, **parameters: Any) -> State[Any]:
        given = {"account": self.account_block, "storage": self.storage} | parameters
        return await trade_session(session, **given, return_state=True)

    async def reconcile(self, session: date | None = WEDNESDAY) -> State[Any]:
        return await reconcile_day(session, account=self.account_block, storage=self.storage, return_state=True)

    def orders(self, session: date = WEDNESDAY) -> Mapping[str, Order]:
        """Return the ledger's orders of the session by symbol."""
        return {o.new_order.symbol: o for o in self.ledger.journal.orders(self.account, session=session)}

    def at_broker(self) -> list[str]:
        """Return the symbols of the orders that the paper broker has taken, one for each order."""
        return sorted(row.symbol for row in self.rows("paper_order"))

    def alerts(self) -> tuple[Alert, ...]:
        """Return the alerts that are still due."""
        return self.ledger.outbox.due()

    def rows(self, table: str) -> list[sa.Row[Any]]:
        """Return all rows of a table as the database holds them."""
        with reading(self.ledger.engine) as connection:
            return list(connection.execute(sa.text(f"SELECT * FROM {table}")))


async def a_new_desk(home: Path, **settings: Any) -> DeskFolder:
    """Make an empty ledger in the folder and save the blocks of its desk."""
    migrate(DeskStorage(home=home).engine())
    return await a_desk_in(home, **settings)


async def a_copy(prepared: DeskFolder, home: Path, **settings: Any) -> DeskFolder:
    """Copy a desk's folder; other settings than those of the desk copied are saved as new blocks."""
    shutil.copytree(prepared.home, home, dirs_exist_ok=True)
    if settings:
        return await a_desk_in(home, **{"account": prepared.account} | settings)
    return replace(prepared, home=home, storage=await _saved(DeskStorage(home=home)))


async def a_desk_in(
    home: Path,
    *,
    account: str = "paper",
    source: Mapping[str, Any] | None = None,
    limits: RiskLimits | None = None,
    breakers: BreakerRules | None = None,
    measures: MeasureLimits | None = None,
    alerts: str | None = None,
    **settings: Any,
) -> DeskFolder:
    """Save the blocks of a desk in that folder, under names that no other test uses.

    Args:
        alerts: an Apprise address.
        settings: of the account.
    """
    bars = BarSource(**{"name": "sample"} | dict(source or {}))
    source_name = await _saved(bars)
    channels = AlertChannels(urls=[SecretStr(alerts)]) if alerts else None
    risk_limits = RiskLimitsBlock(
        limits=limits or RiskLimits(), breakers=breakers or BreakerRules(), measures=measures or MeasureLimits()
    )
    return DeskFolder(
        home=home,
        account=account,
        storage=await _saved(DeskStorage(home=home, alerts=channels)),
        account_block=await _saved(
            BrokerAccount(account=account, bar_source=bars, risk_limits=risk_limits, **settings)
        ),
        source=source_name,
    )


async def _saved(block: Block) -> str:
    name = f"desk-{next(_numbers)}"
    await block.asave(name)
    return name


@cache
def sample_closes(session: date) -> Mapping[str, Decimal]:
    """Return what the sample says of that session, by symbol."""
    frame = SampleBars().fetch(SYMBOLS, session, session).bars.frame
    return {row.symbol: Decimal(repr(row.close)) for row in frame.itertuples()}


def cents(value: object) -> Decimal:
    return Decimal(str(value)).quantize(Decimal("0.01"))
