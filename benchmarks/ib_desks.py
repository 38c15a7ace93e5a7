"""A gateway in a process of its own, a desk that trades there, and the bare client library beside it."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from adapters.ib.ib_settings import IbSettings, Role
from adapters.sql.schema import migrate
from benchmarks.desks import BARS_FILE, LIMITS, a_decision
from benchmarks.markets import LAST, SOURCE, make_market, write_file
from blocks.bar_source import BarSource, Provider
from blocks.broker_account import BrokerAccount, BrokerKind
from blocks.desk import Desk, Ledger, Market, wall_clock
from blocks.desk_storage import DeskStorage
from blocks.risk_limits import RiskLimitsBlock
from cli.children import clean_environment
from ib_gateway.gateway_settings import GatewaySettings
from trading.ledger import Lease
from trading.orders.orders import NewOrderSingle, OrdType, Side, TimeInForce, make_cl_ord_id
from trading.risk.inputs import RiskInputs

ACCOUNT = "DU1234567"
LIBRARY = "ib_async"
BARE_CLIENT_ID = 70
SYMBOLS = (
    "AAPL", "AMD", "BAC", "BBY", "CVX", "GE", "HD", "JNJ", "JPM", "KO",
    "LLY", "MRK", "MSFT", "PEP", "PFE", "PG", "RRC", "UNH", "WMT", "XOM",
)  # fmt: skip
FAR_PX = Decimal(1)  # a buy limit that no market reaches
_MARK = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayChild:
    """A running gateway."""

    port: int
    orders: IO[str]
    answers: IO[str]

    def do(self, what: str, **how: Any) -> dict[str, Any]:
        """Have it do something, and return what it says when it is done."""
        print(json.dumps({"do": what, **how}), file=self.orders, flush=True)
        answer: dict[str, Any] = json.loads(self.answers.readline())
        return answer


@contextmanager
def running_gateway(**settings: Any) -> Iterator[GatewayChild]:
    """Run a gateway that fills market orders at once and sets no limit to what works."""
    chosen = GatewaySettings(**{"poll_seconds": 0, "working_orders": 1_000_000, "wire_log_length": 0, **settings})
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.gateway_child", chosen.model_dump_json()],
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        yield GatewayChild(
            port=int(json.loads(child.stdout.readline())["port"]), orders=child.stdin, answers=child.stdout
        )
    finally:
        child.stdin.close()  # ends it
        child.stdout.close()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def open_ib_desk(home: Path, port: int) -> Desk:
    """Open a desk at that gateway without asking Prefect for its settings; makes its ledger when there is none."""
    file = home / BARS_FILE
    if not file.exists():
        home.mkdir(parents=True, exist_ok=True)
        write_file(file, make_market(2, 2, 0).bars())  # raw bars, as an account with a broker must have
    source = BarSource(name=SOURCE, provider=Provider.FILES, path=file)
    account = BrokerAccount(
        account=ACCOUNT,
        broker_kind=BrokerKind.INTERACTIVE_BROKERS,
        bar_source=source,
        risk_limits=RiskLimitsBlock(limits=LIMITS),
        ib=IbSettings(port=port, library="ib_async"),
    )
    storage = DeskStorage(home=home)
    migrate(storage.engine())
    ledger, market = Ledger.of(storage), Market.of(source, storage)
    return Desk(account=account, storage=storage, ledger=ledger, market=market, role=Role.TRADER)


def an_ib_order(number: int, ord_type: OrdType) -> NewOrderSingle:
    """Return a buy of 10: a market order, or a limit far below the market; each the only one of its session."""
    symbol, now, session = SYMBOLS[number % len(SYMBOLS)], wall_clock(), LAST - timedelta(days=number)
    return NewOrderSingle(
        cl_ord_id=make_cl_ord_id(account=ACCOUNT, session=session, book="main", symbol=symbol, purpose=ord_type),
        account=ACCOUNT,
        session=session,
        book="main",
        symbol=symbol,
        side=Side.BUY,
        order_qty=Decimal(10),
        ord_type=ord_type,
        time_in_force=TimeInForce.DAY,
        price=FAR_PX if ord_type is OrdType.LIMIT else None,
        expire_time=now + timedelta(hours=1),
        transact_time=now,
    )


def in_one_session(orders: Sequence[NewOrderSingle]) -> list[NewOrderSingle]:
    """Return the orders as those of one decision."""
    return [replace(order, session=LAST) for order in orders]


def intend(desk: Desk, lease: Lease, orders: Sequence[NewOrderSingle]) -> None:
    """Record a decision that made these orders, and that they passed the gate."""
    marks = dict.fromkeys(SYMBOLS, orders[0].price or _MARK)  # of what is held too; a limit must be near it
    verdicts = desk.ledger.journal.intend(lease, a_decision(orders), orders, RiskInputs(limits=LIMITS, marks=marks))
    assert all(verdict.accepted for verdict in verdicts), verdicts[0].text


def bare_library() -> Any:
    """Return the module of the client library, to be used without anything of ours."""
    return import_module(LIBRARY)
