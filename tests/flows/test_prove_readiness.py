"""Prove readiness: the way to Interactive Brokers and back, walked on a paper account over the wire."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from prefect.artifacts import Artifact
from prefect.client.schemas.objects import State

from adapters.ib.sessions import process_sessions
from adapters.readiness_files import read_reports
from blocks.broker_account import BrokerKind, Mode
from flows.prove_readiness import prove_readiness
from ib_gateway.gateway import Gateway
from ib_gateway.gateway_settings import GatewayAccount, GatewaySettings
from ib_gateway.scenarios import Action, Fault
from tests.flows.desks import DeskFolder, a_new_desk
from trading.orders.orders import OrdStatus
from trading.readiness import ReadinessReport
from trading.risk.limits import RiskLimits

ACCOUNT = "DU1234567"
QUICK = {"connect_seconds": 3, "ask_seconds": 2, "answer_seconds": 1, "commission_seconds": 0.5}
STEPS = [
    "gateway",
    "protocol version",
    "login",
    "account",
    "mode",
    "gateway's clock",
    "market data",
    "what-if order",
    "books before",
    "risk gate",
    "order placed",
    "order found",
    "order replaced",
    "order canceled",
    "found canceled",
    "books after",
    "nothing moved",
]


@dataclass(kw_only=True)
class Trial:
    """A desk, and the gateway that it is to be proven on."""

    gateway: Gateway
    home: Path

    async def desk(self, **settings: Any) -> DeskFolder:
        self.made = await a_new_desk(
            self.home,
            **{
                "account": ACCOUNT,
                "source": {"name": "raw", "provider": "files", "path": self.home},
                "broker_kind": BrokerKind.INTERACTIVE_BROKERS,
                "ib": {"port": self.gateway.port, **QUICK},
            }
            | settings,
        )
        return self.made

    async def prove(self, symbol: str = "AAPL") -> State[Any]:
        return await prove_readiness(self.made.account_block, symbol, storage=self.made.storage, return_state=True)

    def report(self) -> ReadinessReport:
        (report,) = read_reports(self.home)
        return report

    def bad(self) -> list[str]:
        return [check.name for check in self.report().checks if not check.ok]


@pytest_asyncio.fixture
async def trial(prefect_harness: None, tmp_path: Path) -> AsyncIterator[Trial]:
    async with Gateway(GatewaySettings(poll_seconds=0)) as gateway:
        gateway.set_price("AAPL", Decimal(200))
        yield Trial(gateway=gateway, home=tmp_path)
        await process_sessions().close_all()
        process_sessions.cache_clear()


async def test_a_paper_account_that_works_is_proven_step_by_step(trial: Trial):
    desk = await trial.desk()

    ended = await trial.prove()

    report = trial.report()
    assert [check.name for check in report.checks] == STEPS
    assert {check.verdict for check in report.checks} == {"yes"}, report
    assert ended.message.startswith(f"{ACCOUNT}: 17 of 17 checks passed")
    assert (report.account, report.port, report.server_version) == (ACCOUNT, trial.gateway.port, 178)
    assert (report.library, report.passed) == ("ib_async", True)
    assert desk.alerts() == ()


async def test_its_one_order_is_far_from_the_market_and_leaves_nothing(trial: Trial):
    desk = await trial.desk()

    await trial.prove()

    (order,) = trial.gateway.accepted
    (ours,) = desk.ledger.journal.orders(ACCOUNT)
    assert order.order_ref == ours.cl_ord_id
    assert (ours.new_order.order_qty, ours.ord_status, ours.cum_qty) == (1, OrdStatus.CANCELED, 0)
    assert Decimal(180) < ours.new_order.price < Decimal(183)  # 9 % under what is bid, as a tenth is the most
    assert Decimal(183) < ours.in_force.price < Decimal(185)  # changed to 8 %
    assert trial.gateway.positions() == {}
    assert trial.gateway.cash() == {"USD": Decimal(1_000_000)}


async def test_it_goes_by_the_journal_like_any_order(trial: Trial):
    desk = await trial.desk()

    await trial.prove()

    (order,) = desk.ledger.journal.orders(ACCOUNT)
    marks, reports = desk.ledger.journal.history(order.cl_ord_id)
    verdicts = desk.ledger.journal.risk_decisions(desk.ledger.journal.decision_of(order.cl_ord_id)["decision_id"])
    assert [m.mark.value for m in marks] == ["sending"]
    assert [r.exec_type.value for r in reports] == ["new", "replaced", "canceled"]
    assert [v.accepted for v in verdicts] == [True]
    assert len(desk.ledger.journal.replaces(order.cl_ord_id)) == 1


async def test_it_can_be_proven_again_and_the_last_run_counts(trial: Trial):
    await trial.desk()
    await trial.prove()
    passed = trial.report()
    trial.gateway.faults.add(Fault(on="placeOrder", client_id=10, do=Action.REJECT, code=201, text="No permission"))

    await trial.prove()

    assert passed.passed
    assert trial.bad() == ["order placed"]
    assert trial.report().at > passed.at


async def test_a_table_of_checks_is_left_in_the_ui(trial: Trial):
    await trial.desk()

    await trial.prove()

    artifact = await Artifact.aget(key="readiness")
    assert artifact is not None
    assert "passed: the live side may be armed for 30 days" in str(artifact.data)
    assert "| check | result | what to do |" in str(artifact.data)
    assert str(artifact.data).count("| yes: ") == len(STEPS)


@pytest.mark.parametrize(
    ("fault", "bad"),
    [
        (Fault(on="placeOrder", nth=1, client_id=10, do=Action.DROP), "order placed"),
        (Fault(on="placeOrder", nth=1, client_id=10, do=Action.REJECT, code=201, text="No permission"), "order placed"),
        (Fault(on="placeOrder", nth=2, client_id=10, do=Action.DROP), "broker"),
        (Fault(on="placeOrder", nth=2, client_id=10, do=Action.REJECT, code=201, text="Not now"), "order replaced"),
        (Fault(on="reqPositions", nth=1, client_id=11, do=Action.HANG), "broker"),
    ],
)
async def test_a_broken_step_fails_the_report_and_no_order_is_left_working(trial: Trial, fault: Fault, bad: str):
    await trial.desk()
    trial.gateway.faults.add(fault)

    ended = await trial.prove()

    assert ended.name == "Not ready"
    assert trial.bad() == [bad]
    assert all(order.is_done for order in trial.gateway.accepted)
    assert all(check.remedy for check in trial.report().checks if not check.ok)


async def test_an_order_that_is_left_because_no_cancel_gets_through_is_named_and_ended_by_the_next_run(trial: Trial):
    await trial.desk()
    trial.gateway.faults.add(Fault(on="cancelOrder", times=2, do=Action.DROP))

    await trial.prove()
    left = [order.is_done for order in trial.gateway.accepted]
    told = trial.bad()
    await trial.prove()

    assert left == [False]
    assert told == ["broker", "left working"]
    assert trial.report().passed
    assert [order.is_done for order in trial.gateway.accepted] == [True, True]


async def test_an_order_that_fills_all_the_same_is_no_proof(trial: Trial):
    await trial.desk()
    fill_on_cancel(trial.gateway)

    await trial.prove()

    assert trial.bad() == ["order canceled"]
    assert "1 filled" in next(c.text for c in trial.report().checks if not c.ok)


def fill_on_cancel(gateway: Gateway) -> None:
    """Let the market be quicker than the cancel."""
    really: Callable[..., None] = gateway.exchange.cancel

    def cancel(client: Any, order_id: int) -> None:
        gateway.fill_all()
        really(client, order_id)

    gateway.exchange.cancel = cancel


async def test_nothing_is_sent_where_the_gateway_is_not_what_the_block_says(trial: Trial):
    async with Gateway(GatewaySettings(poll_seconds=0, accounts=(GatewayAccount(name="U7654321"),))) as live:
        desk = await trial.desk(ib={"port": live.port, **QUICK})

        ended = await trial.prove()

        assert ended.name == "Not ready"
        assert {"account", "mode"} <= set(trial.bad())
        assert live.accepted == []
    assert desk.ledger.journal.orders(ACCOUNT) == ()


async def test_a_gateway_that_is_not_there_fails_the_report_and_not_the_run(trial: Trial):
    await trial.desk()
    await trial.gateway.stop()

    ended = await trial.prove()

    assert ended.is_completed()
    assert trial.bad() == ["gateway"]
    assert json.loads((trial.home / f"readiness-{ACCOUNT}.json").read_text())["passed"] is False
    await trial.gateway.start()


async def test_books_that_disagree_with_the_broker_are_no_ground_to_go_live(trial: Trial):
    await trial.desk()
    trial.gateway.place_manual("AAPL", Decimal(10))

    await trial.prove()

    assert trial.bad() == ["books before"]
    assert all(order.client_id == 0 for order in trial.gateway.accepted)


async def test_limits_that_refuse_the_order_are_named(trial: Trial):
    await trial.desk(limits=RiskLimits(blocked_symbols=("AAPL",)))

    await trial.prove()

    assert trial.bad() == ["risk gate"]
    assert trial.gateway.accepted == []


async def test_an_account_with_limits_on_hours_and_quotes_can_be_proven(trial: Trial):
    await trial.desk(limits=RiskLimits(trading_hours_only=True, max_spread_pct=Decimal(1), max_quote_age_seconds=60))

    await trial.prove()

    assert trial.bad() == []


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.SHADOW])
async def test_real_money_and_shadow_are_refused_before_anything_is_connected(trial: Trial, mode: Mode):
    await trial.desk(account="U7654321", mode=mode)

    ended = await trial.prove()

    assert ended.is_failed()
    assert "paper account (DU..., DF...) in mode paper" in ended.message
    assert list(trial.gateway.wire_log) == []
    assert read_reports(trial.home) == []


async def test_the_built_in_paper_broker_proves_nothing(trial: Trial):
    await trial.desk(broker_kind=BrokerKind.PAPER)

    ended = await trial.prove()

    assert ended.is_failed()
    assert "a simulator proves nothing" in ended.message


async def test_a_halted_desk_is_not_proven(trial: Trial):
    desk = await trial.desk()
    desk.ledger.halts.halt("desk", "lunch", "Ada", datetime.now(UTC))

    ended = await trial.prove()

    assert ended.is_failed()
    assert "desk is halted: lunch" in ended.message
    assert trial.gateway.accepted == []


async def test_a_report_holds_for_thirty_days(trial: Trial):
    await trial.desk()

    await trial.prove()

    report = trial.report()
    assert report.holds(report.at + timedelta(days=30))
    assert not report.holds(report.at + timedelta(days=31))
