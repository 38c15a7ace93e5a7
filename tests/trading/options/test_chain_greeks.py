"""Implied volatilities and Greeks of whole chains."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from tests.chain_builders import AT, EXPIRIES, HALF_DAY, NEW_YORK, TERMS, a_chain, changed, real_chains, reframed
from trading.errors import InvalidValue
from trading.market.corporate_actions import CashDividend
from trading.options import american, european
from trading.options.chain_greeks import GREEK_COLUMNS, chain_greeks
from trading.options.chains import ExerciseStyle
from trading.options.terms import ExpiryTime, PricingTerms, ZeroCurve

FIRST = EXPIRIES[0]
NAN = float("nan")


def row(table: pd.DataFrame, strike: float, right: str, expiry: date = FIRST) -> pd.Series:
    (found,) = table[
        (table["expiry"] == pd.Timestamp(expiry)) & (table["strike"] == strike) & (table["right"] == right)
    ].iloc
    return found


@pytest.mark.parametrize("style", ExerciseStyle)
def test_a_chain_priced_at_a_quarter_has_that_volatility_wherever_its_quotes_tell(style: ExerciseStyle):
    chain = a_chain(ExerciseStyle.EUROPEAN)

    table = chain_greeks(replace(chain, style=style), TERMS)

    assert tuple(table.columns) == GREEK_COLUMNS
    calls = table[(table["right"] == "C") & (table["strike"] >= 95) & (table["strike"] <= 105)]
    assert calls["iv_mid"].to_numpy() == pytest.approx(0.25, abs=1e-6)
    assert ((calls["iv_bid"] < 0.25) & (calls["iv_ask"] > 0.25)).all()
    assert (calls["reason"] == "").all()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ({"bid": NAN}, "NO_BID"),
        ({"bid": 0.0}, "NO_BID"),
        ({"ask": NAN}, "NO_ASK"),
        ({"bid": 9.0, "ask": 8.0}, "CROSSED"),
        ({"bid": 3.0, "ask": 4.0}, "BELOW_INTRINSIC"),
        ({"bid": 100.5, "ask": 101.0}, "ABOVE_MAXIMUM"),
    ],
)
def test_an_option_without_a_volatility_has_a_reason(damage: dict[str, float], reason: str):
    chain = changed(a_chain(), FIRST, 95, "C", **damage)

    found = row(chain_greeks(chain, TERMS), 95, "C")

    assert found["reason"] == reason
    assert found[["iv_mid", "delta", "gamma", "vega", "theta", "rho"]].isna().all()


def test_an_ask_alone_still_has_its_volatility():
    chain = changed(a_chain(), FIRST, 105, "C", bid=NAN)

    found = row(chain_greeks(chain, TERMS), 105, "C")

    assert np.isnan(found["iv_bid"])
    assert found["iv_ask"] > 0.25


def test_without_a_price_of_the_underlying_nothing_has_a_volatility():
    table = chain_greeks(replace(a_chain(), underlying_px=None), TERMS)

    assert set(table["reason"]) == {"NO_UNDERLYING_PRICE"}
    assert table[["iv_mid", "delta"]].isna().all(axis=None)


def test_strikes_and_expiries_that_cannot_be_are_no_obstacle_to_the_rest():
    def spoil(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[0, "strike"] = -5.0
        frame.loc[1, "expiry"] = pd.NaT
        return frame

    reasons = chain_greeks(reframed(a_chain(), spoil), TERMS)["reason"].value_counts()

    assert (reasons["NO_STRIKE"], reasons["NO_EXPIRY"]) == (1, 1)
    assert reasons[""] > 30


def test_an_empty_chain_has_an_empty_table():
    assert chain_greeks(reframed(a_chain(), lambda frame: frame.iloc[:0]), TERMS).empty


def test_an_option_lives_until_the_close_of_its_expiry_or_its_open_if_settled_then():
    expiry = pd.Series([pd.Timestamp(2024, 6, 21)])
    friday_noon = datetime(2024, 6, 21, 12, tzinfo=NEW_YORK)

    at_close, at_open = (ExpiryTime(at=at).years(expiry, friday_noon) for at in (time(16), time(9, 30)))

    assert at_close == pytest.approx(4 / 24 / 365)
    assert at_open == pytest.approx(-2.5 / 24 / 365)


def test_the_hours_until_the_expiry_count():
    chain = a_chain()
    expiry_day = replace(chain, at=datetime(2024, 6, 21, 12, tzinfo=NEW_YORK))

    at_noon = row(chain_greeks(changed(expiry_day, FIRST, 100, "C", bid=0.40, ask=0.50), TERMS), 100, "C")
    at_four = row(chain_greeks(expiry_day, TERMS, at=datetime(2024, 6, 21, 16, tzinfo=NEW_YORK)), 100, "C")

    # At the money, price = 0.4 spot x volatility x root of time: 0.45 = 40 v sqrt(4 / 8760).
    assert at_noon["iv_mid"] == pytest.approx(0.45 / 40 / (4 / 8760) ** 0.5, rel=0.01)
    assert at_four["reason"] == "EXPIRED"


def test_rates_come_from_a_curve_by_time_to_go():
    curve = ZeroCurve(years=(0.25, 1.0), rates=(0.04, 0.07))

    assert curve.at(np.array([0.0, 0.25, 0.5, 3.0])) == pytest.approx([0.04, 0.04, 0.05, 0.07])
    by_curve = chain_greeks(a_chain(), PricingTerms(rate=curve))
    by_number = chain_greeks(a_chain(), PricingTerms(rate=0.04))  # all expire within four months
    assert row(by_curve, 100, "P")["iv_mid"] == row(by_number, 100, "P")["iv_mid"]


def test_a_cash_dividend_counts_for_the_expiries_after_its_ex_date_only():
    dividend = CashDividend(symbol="ACME", ex_date=date(2024, 7, 1), amount_per_share=Decimal("0.50"))
    gone = CashDividend(symbol="ACME", ex_date=date(2024, 6, 3), amount_per_share=Decimal(9))
    chain = a_chain(ExerciseStyle.EUROPEAN)
    plain = chain_greeks(chain, TERMS)

    table = chain_greeks(chain, replace(TERMS, dividends=(dividend, gone)))

    assert row(table, 100, "C", EXPIRIES[0])["iv_mid"] == row(plain, 100, "C", EXPIRIES[0])["iv_mid"]
    assert row(table, 100, "C", EXPIRIES[1])["iv_mid"] > row(plain, 100, "C", EXPIRIES[1])["iv_mid"] + 0.01
    options = replace(TERMS, dividends=(dividend, gone)).options(chain.frame, 100.0, AT)
    assert np.unique(options.present_value().round(4)).tolist() == pytest.approx(
        [0, 0.5 * np.exp(-0.05 * 27.41 / 365)], abs=2e-4
    )


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: ZeroCurve(years=(1.0, 1.0), rates=(0.0, 0.1)), "ascending"),
        (lambda: ZeroCurve(years=(1.0,), rates=()), "as many as its years"),
        (lambda: ZeroCurve(years=(1.0,), rates=(NAN,)), "finite"),
        (lambda: PricingTerms(rate=NAN), "rate is nan"),
        (lambda: ExpiryTime(zone="Mars/Olympus"), "Mars/Olympus"),
        (lambda: ExpiryTime(exceptions={FIRST: datetime(2024, 6, 21, 13)}), "a time with its zone"),  # noqa: DTZ001 - the fault
        (lambda: chain_greeks(a_chain(), TERMS, at=datetime(2024, 6, 3)), "a time with its zone"),  # noqa: DTZ001 - the fault
    ],
)
def test_terms_that_make_no_sense_are_refused(wrong, told):
    with pytest.raises(InvalidValue, match=told):
        wrong()


def test_a_real_chain_of_google_has_a_smile_and_greeks_of_the_right_size():
    chain = real_chains("GOOG")[3]  # 11:00 on 24 December 2015, underlying 749.15

    table = chain_greeks(chain, PricingTerms(rate=0.005, expires=HALF_DAY))

    near = table[(table["expiry"] == pd.Timestamp(2016, 1, 15)) & table["strike"].between(720, 780)]
    assert near["iv_mid"].between(0.15, 0.30).all()
    by_right = near.pivot(index="strike", columns="right", values="iv_mid")
    assert (by_right["C"] - by_right["P"]).abs().max() < 0.012  # puts and calls tell the same volatility
    assert row(table, 750, "C", date(2016, 1, 15))["delta"] == pytest.approx(0.5, abs=0.03)
    same_day = table[table["expiry"] == pd.Timestamp(2015, 12, 24)]
    assert (same_day["reason"] == "").sum() > 5
    at_the_close = chain_greeks(real_chains("GOOG")[-1], PricingTerms(rate=0.005, expires=HALF_DAY))
    assert (at_the_close["reason"] == "EXPIRED").sum() == len(same_day)


def test_real_index_options_settled_in_the_morning_have_volatilities():
    chain = real_chains("SPX")[0]
    terms = PricingTerms(rate=0.001, dividend_yield=0.015, expires=ExpiryTime(at=time(9, 30)))

    at_open, at_close = (chain_greeks(chain, t) for t in (terms, replace(terms, expires=ExpiryTime())))

    quoted = at_open["iv_mid"].notna()
    assert quoted.sum() >= 3
    assert (at_open["iv_mid"][quoted] > at_close["iv_mid"][quoted]).all()  # less time for the same price


def test_prices_of_the_table_are_the_prices_of_the_chain():
    chain, terms = real_chains("TWX")[0], PricingTerms(rate=0.002, dividend_yield=0.018)
    table = chain_greeks(chain, terms)
    solved = table["iv_mid"].notna().to_numpy()

    options = terms.options(chain.frame[solved], float(chain.underlying_px or 0), chain.at)
    back = american.price(options, table["iv_mid"][solved].to_numpy())

    assert back == pytest.approx(chain.frame[["bid", "ask"]].mean(axis=1)[solved].to_numpy(), abs=1e-4)
    assert (back >= european.price(options, table["iv_mid"][solved].to_numpy()) - 1e-4).all()
    assert solved.sum() > 150
    assert chain.at.utcoffset() == timedelta(0)
