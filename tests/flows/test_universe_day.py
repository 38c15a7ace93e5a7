"""A desk whose universe changes: it decides among the members of the session, and looks after what it still holds."""

from pathlib import Path

from tests.flows.desks import FRIDAY, TUESDAY, WEDNESDAY, Copy, DeskFolder
from tests.flows.test_ingest_bars import sample_folder

UNIVERSE = """symbol,first,last
AAPL,2020-01-02,
CVX,2020-01-02,
JNJ,2020-01-02,
KO,2020-01-02,2022-12-27
MRK,2020-01-02,
MSFT,2020-01-02,
PFE,2020-01-02,
WMT,2022-12-28,
XOM,2022-12-30,
"""
TUESDAYS = ["AAPL", "CVX", "JNJ", "KO", "MRK", "MSFT", "PFE"]


async def a_desk(empty_desk: DeskFolder, copy_of: Copy, folder: Path) -> DeskFolder:
    """Return a desk that holds the members of Tuesday."""
    (folder / "index.csv").write_text(UNIVERSE)
    bars = sample_folder(folder / "bars")
    source = {"name": "own", "provider": "files", "path": bars, "universe_path": folder / "index.csv"}
    desk = await copy_of(empty_desk, source=source)
    assert (await desk.ingest(FRIDAY)).is_completed()
    assert (await desk.trade(TUESDAY)).is_completed()
    assert (await desk.reconcile(TUESDAY)).is_completed()
    return desk


def checked(desk: DeskFolder, session: object) -> list[str]:
    return [symbol for symbol, _ in desk.ledger.facts.quality("own", session).symbols]


async def test_a_session_is_decided_among_its_members_and_who_has_left_is_sold(
    empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path
):
    desk = await a_desk(empty_desk, copy_of, tmp_path)
    assert (await desk.ingest(TUESDAY)).is_completed()

    state = await desk.trade(WEDNESDAY)

    assert state.is_completed(), state.message
    assert sorted(desk.orders(TUESDAY)) == TUESDAYS
    sides = {symbol: order.new_order.side.value for symbol, order in desk.orders(WEDNESDAY).items()}
    assert (sides["KO"], sides["WMT"]) == ("sell", "buy")
    assert "XOM" not in sides


async def test_a_position_in_what_has_left_is_still_fetched_and_checked(
    empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path
):
    desk = await a_desk(empty_desk, copy_of, tmp_path)

    await desk.ingest(WEDNESDAY)

    assert checked(desk, FRIDAY) == TUESDAYS  # of Friday and of Tuesday, nothing of what comes later
    assert checked(desk, WEDNESDAY) == [*TUESDAYS, "WMT"]
