"""A day at Interactive Brokers to test with: a desk, a gateway on loopback, and the one clock of both."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from prefect.runtime import flow_run

from adapters.sample_bars import SampleBars
from blocks.broker_account import BrokerKind
from ib_gateway.gateway import Gateway
from tests.flows.desks import SYMBOLS, TUESDAY, WEDNESDAY, a_new_desk, cents, sample_closes

ACCOUNT = "DU1234567"
NINE_AM = datetime(2022, 12, 28, 14, 0, tzinfo=UTC)  # half an hour before the open in New York
NOON = datetime(2022, 12, 28, 17, 0, tzinfo=UTC)
EVENING = datetime(2022, 12, 28, 22, 15, tzinfo=UTC)
QUICK = {"connect_seconds": 5, "ask_seconds": 5, "answer_seconds": 5, "commission_seconds": 1}


@dataclass(kw_only=True)
class IbDay:
    """A desk with an account at a gateway, and the one clock of both."""

    home: Path
    patch: pytest.MonkeyPatch
    now: datetime = NINE_AM

    async def open(self, gateway: Gateway, account: str = ACCOUNT, **settings: Any) -> None:
        """Make the desk, with bars up to Tuesday, and quote Wednesday's closes."""
        self.gateway = gateway
        for symbol, close in sample_closes(WEDNESDAY).items():
            gateway.set_price(symbol, cents(close))
        (self.home / "desk").mkdir()
        self.desk = await a_new_desk(
            self.home / "desk",
            account=account,
            source={"name": "raw", "provider": "files", "path": raw_bars_in(self.home / "raw")},
            broker_kind=BrokerKind.INTERACTIVE_BROKERS,
            ib={"port": gateway.port, **QUICK},
            **settings,
        )
        assert (await self.desk.ingest(TUESDAY, history_sessions=10)).is_completed()
        for module in ("flows.guard", "flows.reconcile_day", "flows.check_books"):
            self.patch.setattr(f"{module}.wall_clock", lambda: self.now)
        self.it_is(NINE_AM)

    def it_is(self, now: datetime) -> None:
        """Set the clock, and let the next run be one that was scheduled for that time."""
        self.now = now
        self.patch.setitem(vars(flow_run), "scheduled_start_time", now)

    def at_broker(self) -> dict[str, Decimal]:
        return {o.symbol: o.qty for o in self.gateway.accepted}


def raw_bars_in(folder: Path, first: date = date(2022, 12, 1)) -> Path:
    """Write the sample's closes as a folder of files that calls them raw."""
    folder.mkdir()
    frame = SampleBars().fetch(SYMBOLS, first, WEDNESDAY).bars.frame
    for symbol, rows in frame.groupby("symbol", observed=True):
        lines = [f"{r.session:%Y-%m-%d},{f'{r.close!r},' * 4}1000000" for r in rows.itertuples()]
        (folder / f"{symbol}.csv").write_text("\n".join(["date,open,high,low,close,volume", *lines]))
    return folder
