"""Prices, implied volatilities and Greeks of options against published numbers and QuantLib."""

import dataclasses
import sys

import numpy as np
import pytest
import QuantLib as ql  # noqa: N813 - as all of its examples call it
from hypothesis import given, settings
from hypothesis import strategies as st

from trading.errors import InvalidValue
from trading.options import american, european
from trading.options.vanilla import CashFlow, VanillaOptions

GREEKS = ("delta", "gamma", "vega", "theta", "rho")


terms = st.fixed_dictionaries(
    {
        "spot": st.floats(5, 500),
        "strike": st.floats(5, 500),
        "years": st.floats(1 / 365, 3),
        "rate": st.floats(-0.02, 0.12),
        "dividend_yield": st.floats(0, 0.10),
    }
)


def an_option(right: str = "P", **terms: float) -> VanillaOptions:
    return VanillaOptions.of(right, **({"spot": 100, "strike": 100, "years": 0.5, "rate": 0.05} | terms))


# J. Hull, Options, Futures, and Other Derivatives, 10th edition; E. G. Haug, The Complete Guide to Option Pricing
# Formulas, 2nd edition.
PUBLISHED_EUROPEAN = [
    ("Hull 15.6", "C", 42, 40, 0.5, 0.10, 0.0, 0.20, 4.76, 0.005),
    ("Hull 15.6", "P", 42, 40, 0.5, 0.10, 0.0, 0.20, 0.81, 0.005),
    ("Hull 17.1, an index", "C", 930, 900, 2 / 12, 0.08, 0.03, 0.20, 51.83, 0.005),
    ("Hull 18.6, a future", "P", 20, 20, 4 / 12, 0.09, 0.09, 0.25, 1.12, 0.005),
    ("Haug 1.1.1", "C", 60, 65, 0.25, 0.08, 0.0, 0.30, 2.1334, 5e-5),
    ("Haug 1.1.2", "P", 100, 95, 0.5, 0.10, 0.05, 0.20, 2.4648, 5e-5),
    ("Haug 1.1.3", "C", 19, 19, 0.75, 0.10, 0.10, 0.28, 1.7011, 5e-5),
]


@pytest.mark.parametrize(("where", "right", "s", "k", "t", "r", "q", "v", "worth", "within"), PUBLISHED_EUROPEAN)
def test_european_options_cost_what_the_textbooks_say(where, right, s, k, t, r, q, v, worth, within):
    options = an_option(right, spot=s, strike=k, years=t, rate=r, dividend_yield=q)

    assert european.price(options, v) == pytest.approx(worth, abs=within)
    assert european.implied_volatility(options, european.price(options, v)) == pytest.approx(v, abs=1e-10)


def test_a_price_of_1_875_means_a_volatility_of_23_5_per_cent():
    options = an_option("C", spot=21, strike=20, years=0.25, rate=0.10)  # Hull 15.11

    assert european.implied_volatility(options, 1.875) == pytest.approx(0.235, abs=5e-4)


def test_cash_dividends_come_off_the_spot_at_their_present_value():
    half_a_dollar_twice = (CashFlow(years=2 / 12, amount=0.5), CashFlow(years=5 / 12, amount=0.5))
    options = VanillaOptions.of(
        "C", spot=40, strike=40, years=0.5, rate=0.09, dividends=half_a_dollar_twice
    )  # Hull 15.9

    assert options.net_spot == pytest.approx(39.026, abs=5e-4)
    assert european.price(options, 0.30) == pytest.approx(3.67, abs=0.005)


def test_the_greeks_are_those_of_the_textbook():
    options = an_option("C", spot=49, strike=50, years=0.3846, rate=0.05)

    found = european.greeks(options, 0.20)  # Hull 19.1 to 19.9: 20 weeks

    assert found.delta == pytest.approx(0.522, abs=5e-4)
    assert found.gamma == pytest.approx(0.066, abs=5e-4)
    assert found.vega == pytest.approx(0.121, abs=5e-4)
    assert found.theta == pytest.approx(-4.31 / 365, abs=5e-5)
    assert found.rho == pytest.approx(0.0891, abs=5e-5)


# The exact values of R. Geske and H. E. Johnson, The American put option valued analytically, Journal of Finance 39,
# 1984, table I: spot 40, rate 0.0488; by volatility and strike, for 0.0833, 0.3333 and 0.5833 years.
GESKE_JOHNSON = {
    (0.2, 35): (0.006, 0.200, 0.433), (0.2, 40): (0.852, 1.580, 1.990), (0.2, 45): (5.000, 5.088, 5.267),
    (0.3, 35): (0.077, 0.698, 1.220), (0.3, 40): (1.310, 2.483, 3.170), (0.3, 45): (5.060, 5.706, 6.244),
    (0.4, 35): (0.247, 1.346, 2.155), (0.4, 40): (1.768, 3.388, 4.353), (0.4, 45): (5.287, 6.510, 7.383),
}  # fmt: skip


@pytest.mark.parametrize(("volatility", "strike"), GESKE_JOHNSON)
def test_american_puts_cost_what_geske_and_johnson_found(volatility, strike):
    options = an_option("P", spot=40, strike=strike, years=[0.0833, 0.3333, 0.5833], rate=0.0488)

    assert american.price(options, volatility) == pytest.approx(GESKE_JOHNSON[volatility, strike], abs=1.5e-3)


# F. Longstaff and E. Schwartz, Valuing American options by simulation, Review of Financial Studies 14, 2001, table 1,
# finite differences: strike 40, rate 0.06. Their options may be exercised 50 times a year only, so are worth less.
LONGSTAFF_SCHWARTZ = [
    (36, 0.2, 1, 4.478), (36, 0.2, 2, 4.840), (36, 0.4, 1, 7.101), (36, 0.4, 2, 8.508),
    (40, 0.2, 1, 2.314), (40, 0.2, 2, 2.885), (40, 0.4, 1, 5.312), (40, 0.4, 2, 6.920),
    (44, 0.2, 1, 1.110), (44, 0.2, 2, 1.690), (44, 0.4, 1, 3.948), (44, 0.4, 2, 5.647),
]  # fmt: skip


def test_american_puts_cost_a_cent_more_than_those_that_longstaff_and_schwartz_exercise_weekly():
    spot, volatility, years, weekly = (np.array(column) for column in zip(*LONGSTAFF_SCHWARTZ, strict=True))

    worth = american.price(an_option("P", spot=spot, strike=40, years=years, rate=0.06), volatility)

    assert worth == pytest.approx(weekly, abs=0.012)
    assert (worth >= weekly - 0.0005).all()


def test_an_american_put_costs_what_a_tree_of_500_steps_says():
    options = an_option("P", spot=50, strike=50, years=5 / 12, rate=0.10)  # Hull 21.1

    assert american.price(options, 0.40) == pytest.approx(4.283, abs=0.002)


def test_an_american_call_with_one_dividend_costs_what_roll_geske_and_whaley_say():
    options = VanillaOptions.of(
        "C", spot=80, strike=82, years=1 / 3, rate=0.06, dividends=[CashFlow(years=0.25, amount=4)]
    )  # Haug 9.2.1

    assert american.price(options, 0.30) == pytest.approx(4.3860, abs=0.002)
    assert european.price(options, 0.30) == pytest.approx(3.5107, abs=5e-4)
    assert american.implied_volatility(options, 4.3860) == pytest.approx(0.30, abs=2e-4)


def test_an_american_put_with_a_dividend_costs_what_a_tree_says():
    options = VanillaOptions.of(
        "P", spot=52, strike=50, years=5 / 12, rate=0.10, dividends=[CashFlow(years=3.5 / 12, amount=2.06)]
    )  # Hull 21.3: 4.208 with 50 steps, 4.214 with 100

    assert american.price(options, 0.40) == pytest.approx(4.22, abs=0.007)


def of_quantlib(
    right: str, style: str, s: float, k: float, days: int, r: float, q: float, v: float
) -> ql.VanillaOption:
    """Return the option as QuantLib's own documentation builds it."""
    today = ql.Date(15, 5, 2040)
    calendar = ql.Actual365Fixed()
    spot, sigma = ql.QuoteHandle(ql.SimpleQuote(s)), ql.BlackConstantVol(today, ql.NullCalendar(), v, calendar)
    curves = [ql.YieldTermStructureHandle(ql.FlatForward(today, rate, calendar)) for rate in (q, r)]
    process = ql.BlackScholesMertonProcess(spot, *curves, ql.BlackVolTermStructureHandle(sigma))
    payoff = ql.PlainVanillaPayoff(ql.Option.Call if right == "C" else ql.Option.Put, k)
    if style == "european":
        option, formula = (
            ql.VanillaOption(payoff, ql.EuropeanExercise(today + days)),
            ql.AnalyticEuropeanEngine(process),
        )
    else:
        option = ql.VanillaOption(payoff, ql.AmericanExercise(today, today + days))
        formula = ql.QdFpAmericanEngine(process, ql.QdFpAmericanEngine.accurateScheme())
    option.setPricingEngine(formula)
    return option


GRID = [
    (right, s, k, days, r, q, v)
    for right in "CP"
    for s, k in ((100.0, 100.0), (80.0, 100.0), (130.0, 100.0))
    for days in (7, 180, 900)
    for r, q in ((0.0, 0.0), (0.05, 0.0), (0.01, 0.04), (-0.01, 0.0))
    for v in (0.1, 0.6)
]


def test_european_prices_and_greeks_are_those_of_quantlib():
    right, *numbers = zip(*GRID, strict=True)
    s, k, days, r, q, v = (np.array(n) for n in numbers)
    options = VanillaOptions.of(right, spot=s, strike=k, years=days / 365, rate=r, dividend_yield=q)

    found, worth = european.greeks(options, v), european.price(options, v)

    theirs = [of_quantlib(case[0], "european", *case[1:]) for case in GRID]
    assert worth == pytest.approx([o.NPV() for o in theirs], abs=1e-11)
    assert found.delta == pytest.approx([o.delta() for o in theirs], abs=1e-12)
    assert found.gamma == pytest.approx([o.gamma() for o in theirs], abs=1e-12)
    assert found.vega == pytest.approx([o.vega() / 100 for o in theirs], abs=1e-12)
    assert found.theta == pytest.approx([o.thetaPerDay() for o in theirs], abs=1e-12)
    assert found.rho == pytest.approx([o.rho() / 100 for o in theirs], abs=1e-12)


def test_american_prices_are_those_of_quantlibs_accurate_scheme_within_a_hundred_thousandth_of_the_strike():
    right, *numbers = zip(*GRID, strict=True)
    s, k, days, r, q, v = (np.array(n) for n in numbers)
    options = VanillaOptions.of(right, spot=s, strike=k, years=days / 365, rate=r, dividend_yield=q)

    worth = american.price(options, v)

    theirs = [of_quantlib(case[0], "american", *case[1:]).NPV() for case in GRID]
    assert worth == pytest.approx(theirs, abs=1e-5 * 100)


@pytest.mark.parametrize("dividends", [(), (CashFlow(years=0.25, amount=2.0),)])
def test_american_greeks_are_what_prices_do_when_something_moves(dividends):
    options = VanillaOptions.of(
        ["P", "P", "C"], spot=[95, 105, 100], strike=100, years=0.5, rate=0.05, dividend_yield=0.03, dividends=dividends
    )

    found = american.greeks(options, 0.3)

    def slope(step, name, **other):
        up, down = (
            american.price(dataclasses.replace(options, **{name: getattr(options, name) + by}, **other), 0.3)
            for by in (step, -step)
        )
        return (up - down) / (2 * step)

    def later(days):
        moved = tuple(CashFlow(years=d.years - days / 365, amount=d.amount) for d in dividends)
        return american.price(dataclasses.replace(options, years=options.years - days / 365, dividends=moved), 0.3)

    assert found.delta == pytest.approx(slope(0.5, "spot"), abs=1e-3)
    assert found.rho == pytest.approx(slope(1e-3, "rate") / 100, abs=1e-3)
    assert found.vega == pytest.approx(
        100 * (american.price(options, 0.301) - american.price(options, 0.299)) / 20, rel=1e-2
    )
    assert found.theta == pytest.approx((later(2) - later(-2)) / 4, rel=2e-2)
    assert (found.gamma > 0).all()


@given(terms, st.sampled_from("CP"), st.floats(0.1, 2), st.floats(0, 1), st.floats(0.001, 0.3))
@settings(max_examples=15, deadline=None)
def test_with_a_dividend_an_american_option_is_worth_no_less_than_exercise_or_waiting(
    given_terms, right, volatility, when, share
):
    dividend = CashFlow(years=when * given_terms["years"], amount=share * given_terms["spot"])
    options = VanillaOptions.of(right, **given_terms, dividends=[dividend])

    worth = american.price(options, volatility)

    assert worth[0] >= max(european.price(options, volatility)[0], options.intrinsic[0] * (1 - 1e-9))


def test_a_put_that_should_have_been_exercised_moves_with_the_underlying_alone():
    options = an_option("P", spot=60, strike=100, years=0.5, rate=0.05)

    found = american.greeks(options, 0.1)

    assert american.price(options, 0.1) == pytest.approx(40)
    assert [float(getattr(found, name)[0]) for name in GREEKS] == pytest.approx([-1, 0, 0, 0, 0], abs=1e-6)


def test_an_american_call_on_what_pays_nothing_costs_what_a_european_one_costs():
    options = an_option("C", spot=[80, 100, 120])

    assert (american.price(options, 0.3) == european.price(options, 0.3)).all()


@given(terms, st.floats(0.05, 2))
def test_call_less_put_is_forward_less_strike_discounted(given_terms, volatility):
    call, put = (VanillaOptions.of(right, **given_terms) for right in "CP")

    difference = european.price(call, volatility) - european.price(put, volatility)

    assert difference == pytest.approx(call.discount * (call.forward - call.strike), abs=1e-10 * call.spot[0] + 1e-9)


@given(terms, st.sampled_from("CP"), st.floats(0.05, 2))
def test_a_volatility_found_gives_the_price_back(given_terms, right, volatility):
    options = VanillaOptions.of(right, **given_terms)
    worth = european.price(options, volatility)

    found = european.implied_volatility(options, worth)

    if not np.isnan(found[0]):
        assert european.price(options, found) == pytest.approx(worth, abs=1e-9)
    else:  # nothing is left of its time value, in sixteen digits
        least = np.maximum(options.sign * options.discount * (options.forward - options.strike), 0.0)
        assert worth == pytest.approx(least, abs=1e-9 * (options.spot[0] + options.strike[0]))


@given(terms, st.sampled_from("CP"), st.floats(0.05, 2))
@settings(max_examples=60, deadline=None)
def test_an_american_option_is_worth_no_less_than_exercise_or_waiting_and_its_volatility_is_found(
    given_terms, right, volatility
):
    options = VanillaOptions.of(right, **given_terms)
    strike = options.strike[0]

    worth = american.price(options, volatility)
    found = american.implied_volatility(options, worth)

    assert worth[0] >= max(european.price(options, volatility)[0], options.intrinsic[0]) - 2e-6 * strike
    if np.isnan(found[0]):
        assert worth == pytest.approx(np.maximum(options.intrinsic, european.price(options, 1e-4)), abs=1e-5 * strike)
    else:
        assert american.price(options, found) == pytest.approx(worth, abs=2e-6 * strike)


@pytest.mark.parametrize("model", [european, american])
def test_what_has_expired_or_costs_nonsense_has_no_volatility(model):
    options = an_option("P", years=[0.5, 0.5, 0.5, 0.5, 0.0, -1.0])

    found = model.implied_volatility(options, [5.0, 0.0, 100.5, np.nan, 5.0, 5.0])

    assert list(np.isnan(found)) == [False, True, True, True, True, True]
    assert np.isnan(model.price(options, [0.3, 0.0, -0.1, np.nan, 0.3, 0.3])).tolist() == [False] + [True] * 5


def test_american_exercise_without_quantlib_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "QuantLib", None)

    with pytest.raises(InvalidValue, match="install openbell with its extra `options`"):
        american.price(an_option("P"), 0.2)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"right": "X"}, "must be C or P"),
        ({"spot": 0}, "spot is 0.0"),
        ({"strike": np.nan}, "strike is nan"),
        ({"dividends": [CashFlow(years=0.1, amount=200)]}, "spot less dividends is -9"),
    ],
)
def test_options_that_cannot_be_are_refused(wrong, told):
    with pytest.raises(InvalidValue, match=told):
        an_option(**({"right": "P"} | wrong))


def test_a_negative_dividend_yield_is_no_obstacle_while_the_rate_is_not_negative_too():
    options = an_option("P", rate=[0.0, 0.00001, 0.02], dividend_yield=-0.01)

    worth, found = american.price(options, 0.2), american.greeks(options, 0.2)

    assert (worth >= european.price(options, 0.2) - 1e-6).all()
    assert all(np.isfinite(getattr(found, name)).all() for name in GREEKS)


def test_rates_below_zero_and_dividends_below_them_are_refused_for_american_puts():
    with pytest.raises(InvalidValue, match=r"rate -0\.01, dividend yield -0\.03"):
        american.price(an_option("P", rate=-0.01, dividend_yield=-0.03), 0.2)
