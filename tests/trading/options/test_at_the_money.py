"""The volatility of each expiry where the underlying stands."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from trading.options.at_the_money import at_the_money
from trading.options.chains import CHAIN_KEYS, ExerciseStyle, OptionChain, chain_frame
from trading.options.terms import PricingTerms

HALF_A_YEAR_BEFORE = datetime(2024, 1, 19, 8, tzinfo=UTC)  # 182.5 days before 2024-07-19, 16:00 in New York
# Hull, example 15.6: at 42, half a year to go, 10 % and 20 % a year, a call at 40 is worth 4.76 and a put 0.81.
HULL = [("2024-07-19", "C", 40, 4.76), ("2024-07-19", "P", 40, 0.81)]
AWAY = [("2024-07-19", "C", 45, 9.0), ("2024-07-19", "P", 45, 9.0)]


def a_chain(*rows: tuple[str, str, float, float], spot: float | None = 42.0) -> OptionChain:
    frame = pd.DataFrame(rows, columns=["expiry", "right", "strike", "bid"])
    return OptionChain(
        underlying="ACME",
        underlying_px=spot,
        style=ExerciseStyle.EUROPEAN,
        frame=chain_frame(frame.assign(ask=frame["bid"])),
        source="test",
        at=HALF_A_YEAR_BEFORE,
    )


def test_call_and_put_nearest_to_the_price_tell_the_volatility_of_their_expiry():
    chain = a_chain(*HULL, *AWAY, ("2025-01-17", "C", 45, 5.0))

    found = at_the_money(chain, PricingTerms(rate=0.10), chain.frame)

    assert found["expiry"].dt.strftime("%Y-%m-%d").to_list() == ["2024-07-19", "2025-01-17"]
    assert found["strike"].to_list() == [40, 45]
    assert found.loc[0, ["call", "put"]].to_list() == pytest.approx([0.20, 0.20], abs=0.001)
    assert pd.isna(found.loc[1, "put"])


def test_only_options_that_may_be_used_are_looked_at():
    chain = a_chain(*HULL, *AWAY)
    none = chain.frame[list(CHAIN_KEYS)].iloc[:0]

    among = at_the_money(chain, PricingTerms(rate=0.10), chain.frame[chain.frame["strike"] == 45])

    assert among["strike"].to_list() == [45]
    assert at_the_money(chain, PricingTerms(rate=0.10), none).empty
    assert at_the_money(a_chain(*HULL, spot=None), PricingTerms(rate=0.10), chain.frame)["call"].isna().all()
