"""Every breaker trips for real: in crashes that happened, and on a broker, a provider or books that go wrong."""

import signal
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from prefect.settings import PREFECT_API_URL
from pytest_httpserver import HTTPServer

from adapters.ib.ib_settings import IbSettings, Role
from adapters.ib.sessions import process_sessions
from adapters.sql.audit import first_broken_entry
from blocks.bar_source import BarSource, Provider
from blocks.desk import open_desk
from flows.check_risk import check_risk
from ib_gateway.gateway import Gateway
from ib_gateway.gateway_settings import GatewaySettings
from ib_gateway.scenarios import Action, Fault
from tasks.observe import observe
from tests.bar_builders import data_file
from tests.flows.desk_process import Moment, StopAt, run_flow
from tests.flows.desks import FRIDAY, SYMBOLS, TUESDAY, WEDNESDAY, Copy, DeskFolder
from tests.flows.ib_days import ACCOUNT, IbDay
from tests.flows.test_ingest_bars import damage, files, sample_folder
from tests.flows.test_reconcile_day import address, change, messages
from trading.market.quality import AcceptedMove, QualityPolicy
from trading.orders.orders import OrdStatus
from trading.risk.breaker_changes import BreakerChange
from trading.risk.breakers import BreakerKind, BreakerRules
from trading.risk.limits import RefusalCode, RiskLimits
from trading.risk.restrictions import RestrictionKind

WIDE = RiskLimits(
    max_position_pct=Decimal(100), max_position_notional=Decimal(10**7), max_order_notional=Decimal(10**7)
)


def rules_with(name: str, **changes: object) -> BreakerRules:
    return replace(BreakerRules(), **{name: replace(getattr(BreakerRules(), name), **changes)})


def real_bars(folder: Path, symbols: Sequence[str], first: str, last: str) -> dict[str, Any]:
    """Write raw bars that were real into a file, and return the settings of a source that reads it."""
    days = ("date", ">=", pd.Timestamp(first).date()), ("date", "<=", pd.Timestamp(last).date())
    frame = pd.read_parquet(
        data_file("equity", "us_equity_daily_raw.parquet"), filters=[("symbol", "in", list(symbols)), *days]
    )
    folder.mkdir()
    frame.to_parquet(folder / "bars.parquet")
    return {"name": "crash", "provider": "files", "path": folder / "bars.parquet", "symbols": list(symbols)}


def tripped(desk: DeskFolder) -> dict[BreakerKind, BreakerChange]:
    return {c.kind: c for c in desk.ledger.breakers.tripped()}


def reset(desk: DeskFolder, kind: BreakerKind, now: datetime) -> None:
    desk.ledger.breakers.reset(desk.account, kind, None, actor="Ada", reason="we stay in", now=now)


def reset_any(desk: DeskFolder, kind: BreakerKind, now: datetime) -> None:
    subject = tripped(desk)[kind].subject
    named = None if subject == desk.account else subject
    desk.ledger.breakers.reset(desk.account, kind, named, actor="Ada", reason="we stay in", now=now)


async def test_the_week_in_which_lehman_fell_halts_an_account_that_is_all_in_aig(
    empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path
):
    source = real_bars(tmp_path / "bars", ["AIG"], "2008-08-25", "2008-09-16")
    friday, monday, tuesday = date(2008, 9, 12), date(2008, 9, 15), date(2008, 9, 16)
    true = QualityPolicy(accepted_moves=(AcceptedMove(symbol="AIG", session=monday),))  # a person has looked at it
    desk = await copy_of(empty_desk, account="lehman", source=source | {"quality": true}, limits=WIDE)
    await desk.ingest(date(2008, 9, 11), history_sessions=10)

    await desk.trade(friday)
    await desk.ingest(friday, history_sessions=10)
    first = await desk.reconcile(friday)
    told = {alert.title: alert.text for alert in desk.alerts()}

    # 55,273 shares: 98 % of a million at 17.73. Bought at 15.20, 15.19 and 2 basis points to the next cent, with half a
    # cent each for commission; worth 12.16 at the close: 168,029.92 + 276.37 of a million.
    assert first.message.endswith("; tripped: concentration AIG, daily_loss")
    assert tripped(desk)[BreakerKind.DAILY_LOSS].value == Decimal("16.8306")
    assert "Breaker daily_loss of account lehman tripped: halt" in told
    assert "no order is made or sent" in told["Breaker daily_loss of account lehman tripped: halt"]

    stopped = await desk.trade(monday)
    assert stopped.is_failed()
    assert "account lehman is halted: breaker daily_loss of lehman: a loss of" in stopped.message
    assert "`openbell reset daily_loss --account lehman --reason TEXT`" in stopped.message

    reset(desk, BreakerKind.DAILY_LOSS, datetime(2008, 9, 15, 13, 1, tzinfo=UTC))
    assert (await desk.trade(monday)).is_completed()
    await desk.ingest(monday, history_sessions=10)
    await desk.reconcile(monday)

    # Nothing was bought into a position above 30 % of equity. 55,273 shares fell from 12.16 to 5.09: 390,780.11 of
    # 831,693.71, the worth at Friday's close; in all 559,086.40 of the first million.
    (refused,) = desk.ledger.journal.risk_decisions(f"lehman:{monday}:main")
    assert refused.code is RefusalCode.BREAKER_CLOSE_ONLY
    assert tripped(desk)[BreakerKind.DAILY_LOSS].value == Decimal("46.9861")
    assert tripped(desk)[BreakerKind.DRAWDOWN].value == Decimal("55.9086")
    assert (await desk.trade(tuesday)).is_failed()
    assert first_broken_entry(desk.ledger.engine) is None
    trail = [(row.actor, row.action) for row in desk.rows("audit_entry") if "daily_loss" in row.action]
    assert trail == [
        ("breaker", "breaker tripped daily_loss of lehman"),
        ("Ada", "breaker reset daily_loss of lehman"),
        ("breaker", "breaker tripped daily_loss of lehman"),
    ]


async def test_bars_in_quarantine_hide_no_loss_and_a_breaker_may_close_what_is_left(
    empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path
):
    source = real_bars(tmp_path / "bars", ["AIG"], "2008-08-25", "2008-09-17")
    friday, monday, tuesday = date(2008, 9, 12), date(2008, 9, 15), date(2008, 9, 16)
    rules = rules_with("daily_loss", threshold=Decimal(40), flatten=True)
    desk = await copy_of(empty_desk, account="unseen", source=source, limits=WIDE, breakers=rules)
    await desk.ingest(date(2008, 9, 11), history_sessions=10)
    await desk.trade(friday)
    await desk.ingest(friday, history_sessions=10)
    await desk.reconcile(friday)
    for kind in (BreakerKind.DRAWDOWN, BreakerKind.CONCENTRATION):
        if kind in tripped(desk):
            reset_any(desk, kind, datetime(2008, 9, 15, 13, 1, tzinfo=UTC))
    await desk.trade(monday)

    await desk.ingest(monday, history_sessions=10)  # a fall of 58 % is more than a person has accepted: quarantined
    opened, evening = await open_desk(desk.account_block, desk.storage), datetime(2008, 9, 12, 21, tzinfo=UTC)
    as_of_friday = observe(opened, friday, evening, reachable=None, quotes={})
    await desk.reconcile(monday)
    await desk.ingest(tuesday, history_sessions=10)
    await desk.reconcile(tuesday)

    assert as_of_friday.values == {"AIG": 55_273 * Decimal("12.16")}  # Monday is not known on Friday
    assert tripped(desk)[BreakerKind.DAILY_LOSS].value > 40
    assert desk.ledger.facts.books("unseen", datetime(2008, 9, 17, tzinfo=UTC)).held() == {}
    assert desk.ledger.facts.reconciliations("unseen")[-1].breaks == ()


async def test_march_2020_is_too_wild_for_full_sizes_and_a_broker_out_of_reach_halts(
    empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source = real_bars(tmp_path / "bars", ["SPY", "USO"], "2020-02-03", "2020-03-20")
    desk = await copy_of(empty_desk, account="covid", source=source, limits=WIDE)
    await desk.ingest(date(2020, 3, 17), history_sessions=30)

    await desk.trade(date(2020, 3, 18))

    # numpy.std(r, ddof=1) * sqrt(252) of the mean return of both in the 20 sessions to 2020-03-17: 92.471 % a year.
    wild = tripped(desk)[BreakerKind.VOLATILITY]
    assert wild.value == pytest.approx(Decimal("92.471"), abs=Decimal("0.001"))
    first, *others = desk.ledger.breakers.restrictions("covid", wild.changed_at)
    assert (first.kind, first.size_factor) == (RestrictionKind.REDUCE_SIZE, Decimal("0.5"))
    assert others == []  # at half their size no position is too large
    sent = desk.ledger.journal.risk_decisions("covid:2020-03-18:main")
    assert {v.code for v in sent} == {RefusalCode.BREAKER_REDUCED}
    assert all(v.accepted and v.granted_qty == v.asked_qty // 2 for v in sent)

    monkeypatch.setattr("flows.check_risk.wall_clock", lambda: datetime(2020, 3, 19, 15, 0, tzinfo=UTC))
    (tmp_path / "bars" / "bars.parquet").rename(tmp_path / "away")
    away = await check_risk(desk.account_block, storage=desk.storage, return_state=True)
    (tmp_path / "away").rename(tmp_path / "bars" / "bars.parquet")
    back = await check_risk(desk.account_block, storage=desk.storage, return_state=True)
    monkeypatch.setattr("flows.check_risk.wall_clock", lambda: datetime(2020, 3, 19, 21, 0, tzinfo=UTC))
    closed = await check_risk(desk.account_block, storage=desk.storage, return_state=True)

    assert away.name == "Tripped"
    assert "broker_disconnected" in away.message
    assert back.name == "Tripped"
    assert "broker_disconnected" not in back.message  # it ends by itself
    assert closed.name == "Skipped"


async def test_the_day_of_the_flash_crash_halts_an_account_that_is_all_in_a_bank_and_a_kill_lifts_nothing(
    empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path
):
    source = real_bars(tmp_path / "bars", ["BAC"], "2010-04-19", "2010-05-10")
    thursday, friday = date(2010, 5, 6), date(2010, 5, 7)
    desk = await copy_of(empty_desk, account="flash", source=source, limits=WIDE)
    await desk.ingest(date(2010, 5, 5), history_sessions=10)
    await desk.trade(thursday)
    await desk.ingest(thursday, history_sessions=10)
    parameters = {"session": thursday, "account": desk.account_block, "storage": desk.storage}
    committed = StopAt(step="commit breaker_change+tripped_breaker+audit_entry+alert", moment=Moment.AFTER)

    killed = run_flow(PREFECT_API_URL.value(), "flows.reconcile_day:reconcile_day", parameters, desk.home, committed)
    held = tripped(desk)
    stopped = await desk.trade(friday)

    # 55,904 shares: 98 % of a million at 17.53. Bought at 17.53, 17.52 and 2 basis points to the next cent, with half a
    # cent each for commission; worth 16.28 at the close: 69,880.00 + 279.52 of a million.
    assert killed.exit_code == -signal.SIGKILL
    assert held[BreakerKind.DAILY_LOSS].value == Decimal("7.0160")
    assert BreakerKind.DRAWDOWN not in held  # which trips at 20 %
    assert stopped.is_failed()
    assert "account flash is halted: breaker daily_loss of flash: a loss of" in stopped.message
    assert tripped(desk)[BreakerKind.DAILY_LOSS] == held[BreakerKind.DAILY_LOSS]  # once

    reset(desk, BreakerKind.DAILY_LOSS, datetime(2010, 5, 7, 13, 1, tzinfo=UTC))
    assert (await desk.trade(friday)).is_completed()
    trail = [(row.actor, row.action, row.text) for row in desk.rows("audit_entry") if "daily_loss" in row.action]
    assert [entry[:2] for entry in trail] == [
        ("breaker", "breaker tripped daily_loss of flash"),
        ("Ada", "breaker reset daily_loss of flash"),
    ]
    assert trail[1][2] == "we stay in"
    assert first_broken_entry(desk.ledger.engine) is None


async def test_a_broker_that_rejects_halves_the_sizes_of_what_comes_next(day: IbDay):
    day.gateway.faults.add(Fault(on="placeOrder", times=5, do=Action.REJECT, code=201, text="No permission"))

    await day.desk.trade(None)

    change = tripped(day.desk)[BreakerKind.REJECTION_RATE]
    statuses = [o.ord_status for o in day.desk.ledger.journal.orders(ACCOUNT)]
    assert (statuses.count(OrdStatus.REJECTED), len(statuses)) == (5, 20)
    assert change.value == 25
    assert (change.until - change.tripped_at).total_seconds() == 30 * 60
    (restriction,) = day.desk.ledger.breakers.restrictions(ACCOUNT, change.tripped_at)
    assert (restriction.kind, restriction.size_factor) == (RestrictionKind.REDUCE_SIZE, Decimal("0.5"))


async def test_too_many_orders_in_a_minute_end_the_batch_and_cancel_what_works(
    fresh_desk: DeskFolder, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tasks.place.BATCH", 4)
    rules = rules_with("order_rate", threshold=Decimal(8), cancel_working=True)
    desk = await copy_of(fresh_desk, breakers=rules)

    state = await desk.trade(WEDNESDAY)

    assert state.is_failed()
    assert "breaker order_rate of paper: 8.00 orders in a minute, 8 trips it" in state.message
    assert len(desk.at_broker()) == 8
    statuses = [o.ord_status for o in desk.orders().values()]
    assert (statuses.count(OrdStatus.CANCELED), statuses.count(OrdStatus.PENDING_NEW)) == (8, 12)


async def test_what_a_breaker_closes_at_the_open_is_left_to_wait_for_it_and_the_day_is_reconciled(
    fresh_desk: DeskFolder, copy_of: Copy
):
    rules = rules_with("daily_loss", threshold=Decimal(1), flatten=True)
    desk = await copy_of(fresh_desk, breakers=rules, paper={"slippage_bp": 300})

    await desk.trade(TUESDAY)
    await desk.reconcile(TUESDAY)
    closing = desk.at_broker()
    reconciled = await desk.reconcile(TUESDAY)

    assert len(closing) == 40
    assert desk.at_broker() == closing
    assert {o.ord_status for o in desk.orders(WEDNESDAY).values()} == {OrdStatus.NEW}
    assert reconciled.message.startswith("2022-12-27: 0 breaks")


async def test_a_breaker_that_cancels_leaves_its_place_at_the_broker_to_the_next_who_stops(
    prefect_harness: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tasks.place.BATCH", 4)
    day = IbDay(home=tmp_path, patch=monkeypatch)
    async with Gateway(GatewaySettings(fills="manual", poll_seconds=0), now=lambda: day.now) as gateway:
        await day.open(gateway, breakers=rules_with("order_rate", threshold=Decimal(8), cancel_working=True))

        state = await day.desk.trade(None)

        assert state.is_failed()
        assert {o.status for o in gateway.accepted} == {"Cancelled"}
        assert IbSettings().client_id_of(Role.STOPPER) not in {client.client_id for client in gateway.sockets}
        await process_sessions().close_all()
        process_sessions.cache_clear()


async def test_bars_that_are_behind_let_nothing_be_added(fresh_desk: DeskFolder, copy_of: Copy, empty_desk: DeskFolder):
    rules = rules_with("stale_data", threshold=Decimal(1))
    desk = await copy_of(empty_desk, breakers=rules)
    await desk.ingest(FRIDAY)

    await desk.trade(WEDNESDAY)  # whose decision needs Tuesday's bars

    assert "1.00 sessions behind" in tripped(desk)[BreakerKind.STALE_DATA].cause
    await desk.ingest(TUESDAY)
    assert (await desk.trade(WEDNESDAY)).is_completed()
    assert tripped(desk) == {}


async def test_fills_that_cost_more_than_they_should_halve_the_next_sizes(fresh_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(fresh_desk, paper={"slippage_bp": 100})

    await desk.trade(WEDNESDAY)
    await desk.ingest(WEDNESDAY)
    await desk.reconcile(WEDNESDAY)

    # Half of a spread of 2 basis points, and 100; then to the next cent against us.
    assert 101 <= tripped(desk)[BreakerKind.SLIPPAGE].value < 104


async def test_two_providers_that_tell_different_prices_let_nothing_be_added(
    empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path
):
    first, second = sample_folder(tmp_path / "first"), sample_folder(tmp_path / "second")
    for symbol in SYMBOLS[:5]:
        damage(second, symbol, factor=1.01)
    await BarSource(name="second", provider=Provider.FILES, path=second).asave("breakers-second", overwrite=True)
    desk = await copy_of(empty_desk, source=files(first) | {"compare_with": "breakers-second"})
    await desk.ingest(TUESDAY)

    await desk.trade(WEDNESDAY)

    assert tripped(desk)[BreakerKind.PROVIDER_DISAGREEMENT].value == 25  # 5 of 20


async def test_a_trip_outlives_a_kill_right_after_it_and_the_next_run_tells_of_it(
    traded_desk: DeskFolder, copy_of: Copy, httpserver: HTTPServer
):
    httpserver.expect_request("/desk").respond_with_data("ok")
    desk = await copy_of(traded_desk, alerts=address(httpserver))
    change(desk, "UPDATE paper_account SET cash = '12.34'")  # the broker says that some 20,000 are not there
    parameters = {"session": WEDNESDAY, "account": desk.account_block, "storage": desk.storage}
    committed = StopAt(step="commit breaker_change+tripped_breaker+audit_entry+alert", moment=Moment.AFTER)

    killed = run_flow(PREFECT_API_URL.value(), "flows.reconcile_day:reconcile_day", parameters, desk.home, committed)
    before = messages(httpserver)
    held = tripped(desk)
    await desk.reconcile(WEDNESDAY)

    assert (killed.exit_code, before) == (-signal.SIGKILL, [])
    assert list(held) == [BreakerKind.RECONCILIATION_BREAK]
    assert tripped(desk) == held  # once
    assert messages(httpserver) == ["Openbell: 2 alerts, the first: 1 breaks in account paper at 2022-12-28"]
    assert desk.alerts() == ()
    assert first_broken_entry(desk.ledger.engine) is None
