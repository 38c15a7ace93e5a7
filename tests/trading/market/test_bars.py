"""Daily bars: their shape, and the hash that names their content."""

import hashlib
import struct
from datetime import date

import numpy as np
import pandas as pd
import pytest

from trading.errors import BarsInvalid
from trading.market.bars import BAR_COLUMNS, DailyBars, PriceBasis, bars_frame


def some_rows() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "symbol": ["KO", "IBM", "KO"],
            "session": ["2024-01-03", "2024-01-02", "2024-01-02"],
            "close": [60, 161, 59.5],
            "volume": [100, 200, 300],
        }
    )


def some_bars(rows: pd.DataFrame | None = None, price_basis: PriceBasis = PriceBasis.RAW) -> DailyBars:
    return DailyBars(frame=bars_frame(some_rows() if rows is None else rows), source="files", price_basis=price_basis)


def test_rows_are_brought_into_the_shape_and_order_of_bars():
    frame = bars_frame(some_rows())

    assert tuple(frame.columns) == BAR_COLUMNS
    assert list(zip(frame["symbol"], frame["session"].dt.date, frame["close"], strict=True)) == [
        ("IBM", date(2024, 1, 2), 161.0),
        ("KO", date(2024, 1, 2), 59.5),
        ("KO", date(2024, 1, 3), 60.0),
    ]
    assert frame[["open", "high", "low"]].isna().all(axis=None)


def test_making_a_frame_leaves_the_rows_alone():
    rows = some_rows()

    frame = bars_frame(rows)
    frame["close"] = 0.0

    assert rows.equals(some_rows())


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda f: f.drop(columns="open"), "columns are"),
        (lambda f: f[["session", "symbol", *BAR_COLUMNS[2:]]], "columns are"),
        (lambda f: f.assign(volume=f["volume"].astype("int64")), "column volume is int64, not float64"),
        (lambda f: f.assign(close=f["close"].astype("str")), "column close is str, not float64"),
        (lambda f: f.assign(session=f["session"].astype("datetime64[ns]")), "column session is datetime64"),
        (lambda f: f.assign(session=f["session"].dt.tz_localize("UTC")), "column session is datetime64"),
    ],
)
def test_a_frame_of_another_shape_is_no_bars(spoil, complaint: str):
    frame = spoil(bars_frame(some_rows()))

    with pytest.raises(BarsInvalid, match=f"files does not hold daily bars: {complaint}"):
        DailyBars(frame=frame, source="files", price_basis=PriceBasis.RAW)


def test_the_content_hash_is_the_sha256_of_all_values_in_symbol_and_session_order():
    """Worked by hand, byte by byte, so that it can be checked with any other language."""
    rows = pd.DataFrame(
        {
            "symbol": ["KO"],
            "session": ["2024-01-02"],
            "open": [59.0],
            "high": [60.0],
            "low": [58.5],
            "close": [59.5],
            "volume": [100.0],
        }
    )
    microseconds = 1_704_153_600_000_000  # 2024-01-02T00:00:00Z

    by_hand = hashlib.sha256(b"files\x00raw\x001\x00" + b"KO" + struct.pack("<q", microseconds))
    by_hand.update(struct.pack("<5d", 59.0, 60.0, 58.5, 59.5, 100.0))

    assert some_bars(rows).content_hash() == by_hand.hexdigest()


def test_equal_bars_have_equal_hashes_in_any_order():
    turned = some_bars().frame.iloc[::-1].reset_index(drop=True)

    assert DailyBars(frame=turned, source="files", price_basis=PriceBasis.RAW).content_hash() == (
        some_bars().content_hash()
    )


def test_one_missing_value_is_like_another():
    signed_nan = struct.unpack("<d", struct.pack("<Q", 0xFFF8_0000_0000_0001))[0]

    one, other = (some_bars(some_rows().assign(open=nan)) for nan in (np.nan, signed_nan))

    assert one.content_hash() == other.content_hash()


@pytest.mark.parametrize(
    "other",
    [
        some_bars(some_rows().assign(close=[60, 161, 59.500000001])),
        some_bars(some_rows().assign(symbol=["KO", "IBM", "K"])),
        some_bars(some_rows().assign(session=["2024-01-03", "2024-01-02", "2024-01-04"])),
        some_bars(some_rows().iloc[:2]),
        some_bars(some_rows().assign(open=1.0)),
        some_bars(price_basis=PriceBasis.ADJUSTED),
        DailyBars(frame=some_bars().frame, source="yahoo", price_basis=PriceBasis.RAW),
    ],
)
def test_any_other_content_source_or_basis_has_another_hash(other: DailyBars):
    assert other.content_hash() != some_bars().content_hash()


def test_the_rows_of_one_session_are_found_by_symbol():
    rows = some_bars().on(date(2024, 1, 2))

    assert rows["close"].to_dict() == {"IBM": 161.0, "KO": 59.5}
    assert some_bars().on(date(2024, 1, 1)).empty
