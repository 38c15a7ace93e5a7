"""At night the stores are tended: parts joined, what is too old forgotten, daily bars never."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from blocks.desk_storage import DeskStorage
from flows.tend_store import tend_store
from tests.flows.desks import TUESDAY, Copy, DeskFolder
from trading.market.minute_bars import MinuteBars, minute_frame
from trading.market.ticks import TickKind, Ticks, ticks_frame

OLD, NEW = (datetime.now(UTC).replace(hour=15, minute=0, second=0, microsecond=0) - timedelta(days=n) for n in (40, 3))


def trades(at: datetime) -> Ticks:
    rows = pd.DataFrame({"symbol": ["KO"], "traded_at": [at], "received_at": [at], "price": [60.0], "size": [100.0]})
    return Ticks(frame=ticks_frame(rows, TickKind.TRADES), kind=TickKind.TRADES, source="own")


def a_minute(at: datetime) -> MinuteBars:
    return MinuteBars(
        frame=minute_frame(pd.DataFrame({"symbol": ["KO"], "bar_start": [at], "close": [60.0]})), source="own"
    )


@pytest.mark.parametrize(("elsewhere", "joined", "sources"), [(None, 2, 0), ("lake", 1, 1)])
async def test_old_ticks_and_minutes_are_forgotten_and_daily_bars_stay(
    fresh_desk: DeskFolder, copy_of: Copy, elsewhere: str | None, joined: int, sources: int
):
    desk = await copy_of(fresh_desk)
    storage = DeskStorage(home=desk.home, bars_url=elsewhere and str(desk.home / elsewhere))
    await storage.save(desk.storage, overwrite=True)
    for at in (OLD, NEW, NEW + timedelta(minutes=1)):
        storage.tick_store().append(trades(at))
        storage.minute_store().upsert(a_minute(at))
    daily = storage.store().read("sample", None, TUESDAY, TUESDAY).frame

    state = await tend_store(desk.storage, keep_tick_days=30, keep_minute_days=30, return_state=True)
    again = await tend_store(desk.storage, keep_tick_days=30, keep_minute_days=30, return_state=True)

    counts = "stretches of ticks compacted, {} days of ticks forgotten, {} days of minutes forgotten"
    assert state.message == f"{joined} " + counts.format(1, 1) + f", {sources} sources of daily bars compacted"
    assert again.message == "0 " + counts.format(0, 0) + f", {sources} sources of daily bars compacted"
    kept = storage.tick_store().read("own", TickKind.TRADES, None, OLD, NEW + timedelta(days=1))
    assert list(kept.frame["traded_at"]) == [NEW, NEW + timedelta(minutes=1)]
    assert len(storage.minute_store().read("own", None, OLD, NEW + timedelta(days=1)).frame) == 2
    assert storage.store().read("sample", None, TUESDAY, TUESDAY).frame.equals(daily)
