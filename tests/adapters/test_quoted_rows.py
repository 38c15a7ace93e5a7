"""Rows as providers quote them: what is no number, which actions go together, and that one bad row is named."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from adapters.quoted_rows import QuotedRows
from trading.errors import BarsInvalid
from trading.market.corporate_actions import CashDividend, Split

DAY = date(2020, 8, 28)
GOOD = {"open": 504.05, "high": "505.77", "low": 498.31, "close": "4.9923E+2", "volume": 46907500}
NO_ACTION = {"dividend": "0.0000", "split": 1}


def quoted_rows(values: dict[str, Any], *events: tuple[Any, dict[str, Any]]) -> QuotedRows:
    key = SecretStr("QK7XSECRET0V")
    rows = [("2020-08-28", values)]
    return QuotedRows(source="acme", symbol="AAPL", currency="USD", key=key, rows=rows, events=events or None)


def test_numbers_are_taken_as_json_numbers_and_as_text():
    bars, actions = quoted_rows(GOOD | NO_ACTION).judged(DAY, DAY)

    assert bars.iloc[0][["open", "high", "low", "close", "volume"]].to_list() == [
        504.05,
        505.77,
        498.31,
        499.23,
        46907500,
    ]
    assert actions == []


@pytest.mark.parametrize(
    "value",
    [
        *("NaN", "None", "", "n/a", "1,234.5", "1_000", "٣", "Infinity", "1e999", " 1", "0x1f", "--1"),
        *(float("nan"), float("inf"), None, True, False, [], {}),
    ],
)
@pytest.mark.parametrize("field", [*GOOD, *NO_ACTION])
def test_what_is_no_number_is_refused_with_day_and_value(field: str, value: Any):
    with pytest.raises(BarsInvalid) as caught:
        quoted_rows(GOOD | NO_ACTION | {field: value}).judged(DAY, DAY)

    assert f"acme on AAPL does not hold daily bars: {field} of 2020-08-28 is {value!r}, which is no number" in str(
        caught.value
    )


@pytest.mark.parametrize("field", [*GOOD, *NO_ACTION])
def test_a_missing_field_is_named(field: str):
    values = {name: value for name, value in (GOOD | NO_ACTION).items() if name != field}

    with pytest.raises(BarsInvalid, match=f"2020-08-28 has no {field}"):
        quoted_rows(values).judged(DAY, DAY)


def test_actions_apart_from_the_bars_need_no_bar_of_their_day():
    rows = quoted_rows(
        GOOD, ("2020-08-31", {"dividend": 0, "split": 4}), ("2020-08-31", {"dividend": "0.82", "split": 1})
    )

    bars, actions = rows.judged(DAY, DAY)

    assert len(bars) == 1
    assert actions == [
        Split(symbol="AAPL", ex_date=date(2020, 8, 31), new_per_old=Decimal(4)),
        CashDividend(symbol="AAPL", ex_date=date(2020, 8, 31), amount_per_share=Decimal("0.82")),
    ]
