"""Repair fetched bars by what persons have said of them."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE

from adapters.staged_bars import load_fetched, save_fetched
from blocks.desk import Ledger, Market
from blocks.desk_storage import DeskStorage
from trading.market.bars import DailyBars, FetchedBars, bars_frame
from trading.market.corporate_actions import CashDividend, Split
from trading.market.repairs import BarField, Repair, repaired

KEPT_SESSIONS = 10  # of each source, to be checked anew after a repair
_BEFORE_DAYS = 14  # in which an exchange trades, whatever the holidays


@task(name="repair_bars", timeout_seconds=600, cache_policy=NO_CACHE)
async def repair(market: Market, ledger: Ledger, path: Path, session: date) -> Path:
    """Return the file of what was fetched with all repairs worked in: the same one where there is nothing to repair.

    A repair of a session before what was fetched brings the stored bars in between along, so that they are checked
    and stored anew with it.
    """
    repairs = ledger.repairs.repairs(market.settings.name)
    if not repairs:
        return path
    fetched = load_fetched(path)
    mended = repaired(_with_older(market, fetched, repairs), repairs, session)
    if mended.bars.content_hash() == fetched.bars.content_hash() and mended.actions == fetched.actions:
        return path
    beside = path.with_name(f"{path.stem}.repaired.parquet")
    save_fetched(beside, mended)
    return beside


def file_away(market: Market, storage: DeskStorage, fetched: Path, path: Path, session: date) -> None:
    """Keep what was fetched as it came, of the last KEPT_SESSIONS; what was made of it is stored."""
    name, folder = market.settings.name, storage.checked_folder
    if path != fetched:
        path.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    fetched.replace(folder / f"{name}-{session}.parquet")
    kept = sorted(folder.glob(f"{name}-????-??-??.parquet"))
    for old in kept[:-KEPT_SESSIONS]:
        old.unlink(missing_ok=True)


def _with_older(market: Market, fetched: FetchedBars, repairs: tuple[Repair, ...]) -> FetchedBars:
    """Return it with the stored bars of the symbols whose repair of an older session is not in store yet."""
    begins = fetched.bars.frame.groupby("symbol")["session"].min()
    frames = [fetched.bars.frame]
    for symbol in sorted({repair.symbol for repair in repairs} & set(begins.index)):
        older = {(r.session, r.field): r for r in repairs if r.symbol == symbol and r.session < begins[symbol].date()}
        due = [repair for repair in older.values() if _is_due(market, repair)]
        if due:
            first = min(repair.session for repair in due) - timedelta(days=_BEFORE_DAYS)
            stored = market.store.read(market.settings.name, [symbol], first, begins[symbol].date()).frame
            frames.append(stored[stored["session"] < begins[symbol]])
    if len(frames) == 1:
        return fetched
    bars = DailyBars(
        frame=bars_frame(pd.concat(frames, ignore_index=True)),
        source=fetched.bars.source,
        price_basis=fetched.bars.price_basis,
    )
    return replace(fetched, bars=bars)


def _is_due(market: Market, repair: Repair) -> bool:
    """Tell whether the store does not say what the repair says."""
    name, day = market.settings.name, repair.session
    if repair.field in (BarField.SPLIT, BarField.DIVIDEND):
        known = [a for a in market.store.actions(name, day, day) if a.symbol == repair.symbol]
        terms = [
            a.new_per_old if isinstance(a, Split) else a.amount_per_share
            for a in known
            if isinstance(a, Split if repair.field is BarField.SPLIT else CashDividend)
        ]
        return terms != ([] if repair.says_none else [repair.after])
    stored = market.store.read(name, [repair.symbol], day, day).frame[repair.field.value]
    return not (stored == float(repair.after)).any()
