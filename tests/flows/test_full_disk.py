"""The disk is full: the run says so, nothing is lost, and the next run goes on."""

import re
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL

from blocks.desk_storage import DeskStorage
from tests.flows.desk_process import Outcome, run_flow
from tests.flows.desks import SYMBOLS, TUESDAY, WEDNESDAY, Copy, DeskFolder
from trading.orders.orders import OrdStatus

pytestmark = pytest.mark.slow
KIB = 1024


def run(desk: DeskFolder, flow: str, parameters: dict[str, Any], file_bytes: int | None = None) -> Outcome:
    given = parameters | {"storage": desk.storage}
    return run_flow(PREFECT_API_URL.value(), flow, given, desk.home, file_bytes=file_bytes)


@pytest.mark.parametrize("kib", [4, 120, 220])  # at the first step, at the decision, between two orders
async def test_a_ledger_that_cannot_grow_stops_the_run_and_the_next_one_completes_it(
    kib: int, fresh_desk: DeskFolder, copy_of: Copy
):
    desk = await copy_of(fresh_desk)
    parameters = {"session": WEDNESDAY, "account": desk.account_block}
    room = (desk.home / "ledger.db-wal").stat().st_size + kib * KIB

    full = run(desk, "flows.trade_session:trade_session", parameters, room)
    mended = run(desk, "flows.trade_session:trade_session", parameters)

    assert full.exit_code == 1
    assert re.search(
        "(ledger|paper broker) cannot be (used|reached): .*disk.*; nothing was (written|sent)", full.message
    )
    assert mended.exit_code == 0, mended.message
    assert "20 of 20 filled, 0 working" in mended.message
    assert desk.at_broker() == list(SYMBOLS)
    assert {o.ord_status for o in desk.orders().values()} == {OrdStatus.FILLED}


async def test_bars_that_do_not_fit_on_the_disk_are_ingested_once_there_is_room(empty_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(empty_desk)
    parameters = {"session": TUESDAY, "source": desk.source, "history_sessions": 520}

    full = run(desk, "flows.ingest_bars:ingest_bars", parameters, 40 * KIB)
    verdict = desk.ledger.facts.quality("sample", TUESDAY)
    mended = run(desk, "flows.ingest_bars:ingest_bars", parameters)

    assert full.exit_code == 1
    assert "File too large" in full.message
    assert verdict is None
    assert mended.exit_code == 0, mended.message
    assert len(DeskStorage(home=desk.home).store().read("sample", None, TUESDAY, TUESDAY).frame) == 20
