"""A backfill in a process of its own, or the same bars with yfinance alone: time and memory, as JSON."""

import asyncio
import json
import sys
import time
import warnings
from datetime import date
from pathlib import Path

from benchmarks.desk_child import peak_mib

SOURCE = "backfill-bench"


async def prepare(home: Path, url: str, symbols: list[str]) -> None:
    """Make the ledger and save the settings of a desk."""
    from adapters.sql.schema import migrate
    from blocks.bar_source import BarSource, Provider
    from blocks.desk_storage import DeskStorage

    storage = DeskStorage(home=home)
    migrate(storage.engine())
    await storage.asave("desk", overwrite=True)
    source = BarSource(name=SOURCE, provider=Provider.YAHOO, symbols=symbols, base_url=url)
    await source.asave(SOURCE, overwrite=True)


async def backfill(first: date, last: date) -> str:
    """Run the flow."""
    from flows.backfill_bars import backfill_bars

    state = await backfill_bars(first, last, source=SOURCE, return_state=True)
    await state.aresult()
    return state.message or ""


def bare(home: Path, url: str, symbols: list[str], first: date) -> str:
    """Ask yfinance for one symbol after the other, and write one Parquet file of all."""
    import pandas as pd
    import yfinance

    from adapters.yahoo_session import YahooSession

    warnings.simplefilter("ignore")  # as the adapter does, of what pandas 4 will drop
    session = YahooSession(url, 10.0)
    frames = [
        yfinance.Ticker(symbol, session=session)
        .history(start=first.isoformat(), auto_adjust=False, actions=True)
        .assign(symbol=symbol)
        for symbol in symbols
    ]
    pd.concat(frames).to_parquet(home / "bare.parquet")
    return f"{sum(map(len, frames))} bars"


def main(routine: str, home: str, url: str, symbols: str, first: str, last: str) -> None:
    """Run one routine and tell what it took."""
    import yfinance

    yfinance.set_tz_cache_location(str(Path(home) / "yfinance"))
    folder, names, begin = Path(home), [f"S{n:04d}" for n in range(int(symbols))], date.fromisoformat(first)
    if routine == "backfill":
        import flows.backfill_bars  # noqa: F401 - importing is not to be measured

        asyncio.run(prepare(folder, url, names))
    started, before = time.perf_counter(), peak_mib()
    if routine == "backfill":
        message = asyncio.run(backfill(begin, date.fromisoformat(last)))
    else:
        message = bare(folder, url, names, begin)
    took = {"seconds": time.perf_counter() - started, "before_mib": before, "peak_mib": peak_mib()}
    print(json.dumps(took | {"message": message}))


if __name__ == "__main__":
    main(*sys.argv[1:])
