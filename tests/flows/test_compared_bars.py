"""A second provider is asked for the same bars: where the two differ by much, the symbol is left alone."""

import json
from pathlib import Path

import pytest
from prefect.artifacts import Artifact

from blocks.bar_source import BarSource, Provider
from tests.flows.desks import TUESDAY, WEDNESDAY, Copy, DeskFolder
from tests.flows.test_ingest_bars import damage, files, findings_of, sample_folder
from trading.market.quality import FindingSeverity, Rule, SymbolVerdict


@pytest.fixture
def both(tmp_path: Path) -> tuple[Path, Path]:
    return sample_folder(tmp_path / "first"), sample_folder(tmp_path / "second")


async def compared(empty_desk: DeskFolder, copy_of: Copy, first: Path, second: Path) -> DeskFolder:
    name = f"second-{second.parent.name}".replace("_", "-")
    await BarSource(name="second", provider=Provider.FILES, path=second).asave(name, overwrite=True)
    return await copy_of(empty_desk, source=files(first) | {"compare_with": name})


async def test_a_close_that_the_second_provider_does_not_bear_out_quarantines_its_symbol(
    empty_desk: DeskFolder, copy_of: Copy, both: tuple[Path, Path]
):
    damage(both[1], "KO", last=WEDNESDAY, factor=1.0)
    damage(both[1], "BAC", factor=1.1)
    damage(both[1], "PG", factor=1.01)
    desk = await compared(empty_desk, copy_of, *both)

    await desk.ingest(TUESDAY)
    await desk.trade(WEDNESDAY)

    found = findings_of(desk)
    assert {symbol: (f.rule, f.severity) for symbol, f in found.items()} == {
        "BAC": (Rule.DISAGREEMENT, FindingSeverity.CRITICAL),
        "PG": (Rule.DISAGREEMENT, FindingSeverity.WARNING),
    }
    assert "BAC" not in desk.orders(WEDNESDAY)
    assert "PG" in desk.orders(WEDNESDAY)
    table = await Artifact.aget(key="providers")
    assert table is not None
    reliability = {row["provider"]: row["reliability"] for row in json.loads(str(table.data))}
    assert reliability == {"own": 0.9, "second": 0.9}  # two of twenty, and nobody knows who is right


async def test_a_second_provider_that_is_away_is_no_fault_of_the_bars(
    empty_desk: DeskFolder, copy_of: Copy, both: tuple[Path, Path]
):
    desk = await compared(empty_desk, copy_of, both[0], both[0].parent / "nowhere")

    state = await desk.ingest(TUESDAY)

    assert state.message.startswith("own 2022-12-27: trade, 0 quarantined")
    (answer,) = desk.ledger.providers.lately("second")
    assert (answer.asked, answer.given, answer.failed) == (20, 0, 20)
    assert "there is no file or folder" in answer.text


async def test_a_difference_stays_when_the_bars_are_checked_anew(
    empty_desk: DeskFolder, copy_of: Copy, both: tuple[Path, Path]
):
    damage(both[1], "BAC", factor=1.1)
    desk = await compared(empty_desk, copy_of, *both)
    await desk.ingest(TUESDAY)

    await desk.ingest(TUESDAY, fetch=False)

    report = desk.ledger.facts.quality("own", TUESDAY)
    assert report is not None
    assert dict(report.symbols)["BAC"] is SymbolVerdict.QUARANTINE
