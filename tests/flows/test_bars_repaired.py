"""Bad bars are mended by a person: repaired or found true, checked anew, traded; the source does not undo it."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd

from blocks.desk_storage import DeskStorage
from cli.repair import last_checked, quarantine, release
from tests.flows.desks import TUESDAY, WEDNESDAY, Copy, DeskFolder
from tests.flows.test_ingest_bars import damage, files, findings_of, sample_folder
from trading.market.checked_bars import CheckedBars
from trading.market.corporate_actions import Split
from trading.market.quality import Rule, SymbolVerdict
from trading.market.repairs import BarField

NOW = datetime(2022, 12, 27, 23, tzinfo=UTC)
NOVEMBER_1 = date(2022, 11, 1)


def checked(desk: DeskFolder) -> CheckedBars:
    return last_checked(desk.ledger, desk.home, "own", None)


def repair(desk: DeskFolder, symbol: str, session: date, **values: str) -> None:
    meant = {BarField(name): Decimal(value) for name, value in values.items() if name != "times"}
    times = Decimal(values["times"]) if "times" in values else None
    desk.ledger.repairs.repair(
        checked(desk).repairs(symbol, [session], meant, times, actor="ann", reason="in pounds", now=NOW)
    )


def verdict(desk: DeskFolder, symbol: str) -> SymbolVerdict:
    report = desk.ledger.facts.quality("own", TUESDAY)
    assert report is not None
    return dict(report.symbols)[symbol]


def stored_close(desk: DeskFolder, symbol: str, session: date = TUESDAY) -> float:
    store = DeskStorage(home=desk.home).store()
    return float(store.read("own", [symbol], session, session).frame["close"].iloc[0])


async def test_a_quarantined_symbol_is_left_alone_and_traded_once_it_is_repaired(
    empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path
):
    folder = sample_folder(tmp_path / "bars")
    right = pd.read_csv(folder / "BBY.csv").set_index("Date").at["2022-12-27", "Close"]
    damage(folder, "BBY", factor=100)
    desk = await copy_of(empty_desk, source=files(folder))
    await desk.ingest(TUESDAY)
    assert findings_of(desk)["BBY"].rule is Rule.UNIT_ERROR

    repair(desk, "BBY", TUESDAY, times="0.01")
    mended = await desk.ingest(TUESDAY, fetch=False)
    traded = await desk.trade(WEDNESDAY)  # its file ends on Tuesday, so that its order works on

    assert mended.message == "own 2022-12-27: trade, 0 quarantined, 30 bars added, 0 changed"
    assert verdict(desk, "BBY") is SymbolVerdict.PASS
    assert stored_close(desk, "BBY") == right
    assert traded.message == "2022-12-28: 20 orders sent, 19 of 20 filled, 1 working"


async def test_the_source_that_gives_the_same_fault_again_does_not_undo_the_repair(
    empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path
):
    folder = sample_folder(tmp_path / "bars")
    right = pd.read_csv(folder / "BBY.csv").set_index("Date").at["2022-12-27", "Close"]
    damage(folder, "BBY", factor=100)
    desk = await copy_of(empty_desk, source=files(folder))
    await desk.ingest(TUESDAY)
    repair(desk, "BBY", TUESDAY, times="0.01")

    await desk.ingest(TUESDAY)
    again = await desk.ingest(TUESDAY)

    assert again.message == "own 2022-12-27: trade, 0 quarantined, 0 bars added, 0 changed"
    assert stored_close(desk, "BBY") == right


async def test_a_fault_found_true_by_a_person_warns_and_is_traded(
    empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path
):
    folder = sample_folder(tmp_path / "bars")
    damage(folder, "BBY", factor=3.3)
    desk = await copy_of(empty_desk, source=files(folder))
    await desk.ingest(TUESDAY)
    rule = findings_of(desk)["BBY"].rule

    release(desk.ledger, checked(desk), "BBY", [rule], actor="ann", reason="a takeover bid", now=NOW)
    await desk.ingest(TUESDAY, fetch=False)
    traded = await desk.trade(WEDNESDAY)

    assert verdict(desk, "BBY") is SymbolVerdict.WARN
    assert findings_of(desk)["BBY"].text.endswith("found true by ann: a takeover bid")
    assert "BBY" in desk.orders(WEDNESDAY)
    assert traded.message.startswith("2022-12-28: 20 orders sent")


async def test_a_symbol_held_back_by_a_person_is_not_traded_until_it_is_released(
    empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path
):
    desk = await copy_of(empty_desk, source=files(sample_folder(tmp_path / "bars")))
    await desk.ingest(TUESDAY)
    quarantine(desk.ledger, checked(desk), "KO", actor="ann", reason="a merger is rumoured", now=NOW)

    at_once = verdict(desk, "KO")
    await desk.ingest(TUESDAY)
    after_another_check = verdict(desk, "KO")
    await desk.trade(WEDNESDAY)
    traded = desk.at_broker()
    release(desk.ledger, checked(desk), "KO", [], actor="bob", reason="denied", now=NOW)
    await desk.ingest(TUESDAY, fetch=False)

    assert at_once is after_another_check is SymbolVerdict.QUARANTINE
    assert "KO" not in traded
    assert verdict(desk, "KO") is SymbolVerdict.PASS
    actions = [row.action for row in desk.rows("audit_entry")]
    assert actions == ["quarantine own KO", "release own KO"]


async def test_an_old_bar_in_store_is_repaired_once_and_checked_with_its_neighbours(
    empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path
):
    desk = await copy_of(empty_desk, source=files(sample_folder(tmp_path / "bars")))
    await desk.ingest(TUESDAY, history_sessions=50)
    await desk.ingest(TUESDAY, history_sessions=5)
    right = stored_close(desk, "KO", NOVEMBER_1)

    repair(desk, "KO", NOVEMBER_1, close=str(right * 1.01), high=str(right * 1.02))
    changed = await desk.ingest(TUESDAY, fetch=False)
    again = await desk.ingest(TUESDAY, fetch=False)

    assert changed.message == "own 2022-12-27: trade, 0 quarantined, 0 bars added, 1 changed"
    assert again.message == "own 2022-12-27: trade, 0 quarantined, 0 bars added, 0 changed"
    assert stored_close(desk, "KO", NOVEMBER_1) == right * 1.01


async def test_a_split_that_never_was_is_neither_booked_nor_believed_after_its_repair(
    empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path
):
    actions = tmp_path / "actions.csv"
    actions.write_text("symbol,ex_date,type,split_ratio_new_per_old\nKO,2022-12-27,split,4\n")
    folder = sample_folder(tmp_path / "bars")
    desk = await copy_of(empty_desk, source=files(folder) | {"actions_path": actions})
    store = DeskStorage(home=desk.home).store()
    store.upsert_actions("own", [Split(symbol="KO", ex_date=TUESDAY, new_per_old=Decimal(4))], NOW)  # believed before
    await desk.ingest(TUESDAY)
    assert findings_of(desk)["KO"].rule is Rule.SPLIT_NOT_APPLIED

    repair(desk, "KO", TUESDAY, split="1")
    await desk.ingest(TUESDAY, fetch=False)
    await desk.ingest(TUESDAY)

    assert verdict(desk, "KO") is SymbolVerdict.PASS
    assert store.actions("own", TUESDAY, TUESDAY) == ()


async def test_a_split_that_the_prices_do_not_show_is_not_booked(empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path):
    actions = tmp_path / "actions.csv"
    actions.write_text("symbol,ex_date,type,split_ratio_new_per_old\nKO,2022-12-27,split,4\n")
    desk = await copy_of(empty_desk, source=files(sample_folder(tmp_path / "bars")) | {"actions_path": actions})

    await desk.ingest(TUESDAY)

    assert DeskStorage(home=desk.home).store().actions("own", TUESDAY, TUESDAY) == ()
    assert verdict(desk, "KO") is SymbolVerdict.QUARANTINE


async def test_a_hold_counts_though_a_check_that_began_before_it_ends_after_it(
    empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path
):
    desk = await copy_of(empty_desk, source=files(sample_folder(tmp_path / "bars")))
    await desk.ingest(TUESDAY)
    passed = desk.ledger.facts.quality("own", TUESDAY)
    assert passed is not None
    quarantine(desk.ledger, checked(desk), "KO", actor="ann", reason="a merger is rumoured", now=NOW)

    desk.ledger.facts.record_quality(passed)  # by the run beside it, which did not know
    await desk.trade(WEDNESDAY)

    assert verdict(desk, "KO") is SymbolVerdict.PASS
    assert "KO" not in desk.orders(WEDNESDAY)
