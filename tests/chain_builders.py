"""Option chains for tests: a calm one, to be damaged; and real ones from the test data."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tests.bar_builders import data_file
from trading.options import european
from trading.options.chains import ExerciseStyle, OptionChain, chain_frame
from trading.options.terms import ExpiryTime, PricingTerms

NEW_YORK = ZoneInfo("America/New_York")
AT = datetime(2024, 6, 3, 18, 0, tzinfo=UTC)
EXPIRIES = (date(2024, 6, 21), date(2024, 7, 19), date(2024, 9, 20))
STRIKES = tuple(range(80, 125, 5))
TERMS = PricingTerms(rate=0.05)
# The last session before Christmas closes at 13:00.
HALF_DAY = ExpiryTime(exceptions={date(2015, 12, 24): datetime(2015, 12, 24, 13, tzinfo=NEW_YORK)})


def a_chain(style: ExerciseStyle = ExerciseStyle.AMERICAN, spot: float = 100.0) -> OptionChain:
    """Return a chain that breaks no rule: 3 expiries, 9 strikes, volatility 25 %, quotes 4 cents wide."""
    rows = pd.MultiIndex.from_product([EXPIRIES, STRIKES, ["C", "P"]], names=["expiry", "strike", "right"])
    frame = chain_frame(rows.to_frame(index=False))
    fair = european.price(TERMS.options(frame, spot, AT), 0.25)
    if style is ExerciseStyle.AMERICAN:
        fair = np.maximum(fair, np.where(frame["right"] == "C", 1.0, -1.0) * (spot - frame["strike"]))
    frame = frame.assign(
        bid=np.maximum(fair - 0.02, 0.01),
        ask=fair + 0.02,
        bid_size=10.0,
        ask_size=10.0,
        last=fair,
        volume=100.0,
        open_interest=500.0,
        quoted_at=pd.Timestamp(AT) - pd.Timedelta(seconds=30),
    )
    return OptionChain(
        underlying="ACME", underlying_px=spot, style=style, frame=chain_frame(frame), source="test", at=AT
    )


def changed(
    chain: OptionChain, expiry: date, strike: float, right: str, /, **values: float | pd.Timestamp
) -> OptionChain:
    """Return the chain with some values of one option changed."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        row = (frame["expiry"] == pd.Timestamp(expiry)) & (frame["strike"] == strike) & (frame["right"] == right)
        assert row.sum() == 1
        frame.loc[row, list(values)] = list(values.values())
        return frame

    return reframed(chain, change)


def reframed(chain: OptionChain, change: Callable[[pd.DataFrame], pd.DataFrame]) -> OptionChain:
    """Return the chain with another frame."""
    return replace(chain, frame=chain_frame(change(chain.frame.copy())))


@cache
def real_chains(underlying: str) -> Sequence[OptionChain]:
    """Return the real chains of GOOG, TWX, SPX, SPXW (snapshots of a day) or AAPL (end of day, around its split)."""
    name = {
        "GOOG": "goog_chain_snapshots_20151224",
        "TWX": "twx_chain_snapshots_20140605",
        "SPX": "spx_chain_snapshots_20210104",
        "SPXW": "spxw_chain_snapshots_20210104",
        "AAPL": "aapl_chain_eod_201406",
    }[underlying]
    rows = pd.read_parquet(data_file("options", f"{name}.parquet")).rename(columns={"quote_bar_start": "quoted_at"})
    european_style = underlying.startswith("SPX")
    if underlying == "AAPL":
        rows["snapshot_time"] = pd.to_datetime(rows["date"]).dt.tz_localize(NEW_YORK) + pd.Timedelta(hours=16)
        rows["quoted_at"] = rows["snapshot_time"]
        rows["middle"] = rows["underlying_close"]
    else:
        rows["middle"] = rows[["underlying_bid", "underlying_ask"]].mean(axis=1).fillna(rows["underlying_last"])
    return tuple(
        OptionChain(
            underlying=underlying,
            underlying_px=float(snapshot["middle"].iloc[0]),
            style=ExerciseStyle.EUROPEAN if european_style else ExerciseStyle.AMERICAN,
            frame=chain_frame(snapshot),
            source="test data",
            at=moment.tz_convert(UTC).to_pydatetime(),
        )
        for moment, snapshot in rows.groupby("snapshot_time")
    )
