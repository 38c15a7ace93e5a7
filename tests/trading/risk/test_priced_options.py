"""An option is priced by the chain in store, or says why not; numbers by QuantLib, from its own objects."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
import QuantLib as ql  # noqa: N813 - as all of its examples call it

from tests.chain_builders import AT, HALF_DAY, NEW_YORK, TERMS, a_chain, changed, real_chains
from tests.trading.risk.gate_accounts import a_state, an_order, decision_on, limits
from tests.trading.risk.risk_builders import a_model, a_portfolio
from trading.market.instruments import Option
from trading.market.option_symbols import option_named
from trading.options.terms import KeptChain, PricingTerms
from trading.risk.measure_limits import MeasureLimits
from trading.risk.priced_options import price_options
from trading.risk.refusals import RefusalCode
from trading.risk.risk_model import SymbolFacts, exposure_value
from trading.risk.trading_facts import TradingFacts

D, NAN = Decimal, float("nan")
JULY = date(2024, 7, 19)
OPENED, NEXT = AT - timedelta(hours=4, minutes=30), date(2024, 6, 4)
HISTORY = {"SPY": [0.01, -0.01] * 50, "GOOG": [0.02, -0.02] * 50, "ACME": [0.02, -0.02] * 50}


def named(symbol: str) -> Option:
    option = option_named(symbol, mic="XNYS")
    assert option is not None
    return option


CALL = named("ACME  240719C00105000")


def priced(option=CALL, chain=None, terms=TERMS, since=OPENED, session=NEXT):
    kept = KeptChain(chain=chain or a_chain(), terms=terms)
    return price_options([option], kept, since=since, session=session)[option.symbol]


def of_quantlib(right: str, spot: float, strike: float, px: float, years: float, rate: float) -> dict[str, float]:
    """Return what an American option at that price implies, by finite differences over a year.

    A price knows rate and variance only times the years, so they are scaled to make the years one.
    """
    today, days = ql.Date(1, 6, 2040), ql.Actual365Fixed()
    sigma = ql.SimpleQuote(0.1)
    curves = [ql.YieldTermStructureHandle(ql.FlatForward(today, r, days)) for r in (0.0, rate * years)]
    flat = ql.BlackConstantVol(today, ql.NullCalendar(), ql.QuoteHandle(sigma), days)
    process = ql.BlackScholesMertonProcess(
        ql.QuoteHandle(ql.SimpleQuote(spot)), *curves, ql.BlackVolTermStructureHandle(flat)
    )
    payoff = ql.PlainVanillaPayoff(ql.Option.Call if right == "C" else ql.Option.Put, strike)
    before, ql.Settings.instance().evaluationDate = ql.Settings.instance().evaluationDate, today
    try:
        option = ql.VanillaOption(payoff, ql.AmericanExercise(today, today + 365))
        option.setPricingEngine(ql.FdBlackScholesVanillaEngine(process, 400, 400))
        sigma.setValue(option.impliedVolatility(px, process, 1e-6, 200, 1e-4, 4.0))
        volatility, delta, gamma = sigma.value(), option.delta(), option.gamma()
        worth = []
        for move in (-0.01, 0.01):
            sigma.setValue(volatility + move)
            worth.append(option.NPV())
        vega = (worth[1] - worth[0]) / 0.02 / 100
    finally:
        ql.Settings.instance().evaluationDate = before
    root = years**0.5
    return {"volatility": volatility / root, "delta": delta, "gamma": gamma, "vega": vega * root}


@pytest.mark.parametrize("symbol", ["GOOG  160115C00750000", "GOOG  160115P00750000"])
def test_greeks_of_a_real_position_before_and_after_an_order_are_those_of_quantlib(symbol: str):
    chain = next(c for c in real_chains("GOOG") if c.at == datetime(2015, 12, 24, 12, 30, tzinfo=NEW_YORK))
    option, terms = named(symbol), PricingTerms(rate=0.005, expires=HALF_DAY)
    right = option.put_or_call.value
    rows = chain.frame[(chain.frame["expiry"] == "2016-01-15") & (chain.frame["strike"] == 750)]
    quote = rows[rows["right"] == right].iloc[0]
    middle, spot = (quote["bid"] + quote["ask"]) / 2, chain.underlying_px
    years = (datetime(2016, 1, 15, 16, tzinfo=NEW_YORK) - chain.at) / timedelta(days=365)
    by_quantlib = of_quantlib(right, spot, 750.0, middle, years, 0.005)

    found = priced(option, chain, terms, chain.at, date(2015, 12, 28))

    assert found.why_not == ""
    assert found.middle == pytest.approx(D(repr(float(middle))))
    assert found.position.volatility == pytest.approx(by_quantlib["volatility"], rel=2e-3)
    wide = MeasureLimits(max_delta=D(10**9), max_gamma=D(10**9), max_vega=D(10**9), history_sessions=100)
    model = a_model(HISTORY, {symbol: SymbolFacts(option=found.position)})
    portfolio = a_portfolio(model, wide, {symbol: exposure_value(symbol, D(2), found.middle, D(100))})
    more = exposure_value(symbol, D(3), found.middle, D(100))
    for uses, units in ((portfolio.before(), 200), (portfolio.after(symbol, more), 500)):
        told = {use.code: use.value for use in uses}
        assert told[RefusalCode.MAX_DELTA] == pytest.approx(units * abs(by_quantlib["delta"]) * spot, rel=5e-3)
        assert told[RefusalCode.MAX_GAMMA] == pytest.approx(units * by_quantlib["gamma"] * spot**2 / 100, rel=1e-2)
        assert told[RefusalCode.MAX_VEGA] == pytest.approx(units * by_quantlib["vega"], rel=1e-2)


@pytest.mark.parametrize("tenths", [99, 101])
def test_the_gate_holds_the_delta_of_an_option_against_its_limit(tenths: int):
    # A call on ACME at 105 with 46 days and 2 hours to go, spot 100, rate 5 %, volatility 25 %.
    delta = of_quantlib("C", 100.0, 105.0, float(priced().middle), (46 + 2 / 24) / 365, 0.05)["delta"]
    most = D(repr(round(3 * 100 * 100 * delta * tenths / 100, 2)))
    measured = MeasureLimits(max_delta=most, history_sessions=100)
    model = a_model(HISTORY, {CALL.symbol: SymbolFacts(option=priced().position)})
    held = exposure_value(CALL.symbol, D(2), priced().middle, D(100))
    state = a_state(
        {CALL.symbol: 2},
        marks={CALL.symbol: priced().middle},
        facts={CALL.symbol: TradingFacts(instrument=CALL)},
        portfolio=a_portfolio(model, measured, {CALL.symbol: held}),
    )

    one_more = decision_on(an_order(1, symbol=CALL.symbol), state, limits())

    assert one_more.code == (RefusalCode.MAX_DELTA if tenths < 100 else None)
    assert decision_on(an_order(-2, symbol=CALL.symbol), state, limits()).accepted


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"session": date(2024, 7, 22)}, "it expired on 2024-07-19"),
        (
            {"since": AT + timedelta(minutes=1)},
            "no chain of its underlying since 2024-06-03 18:01 UTC is in store, the newest is",
        ),
        ({"terms": None}, "stored without the rate"),
        ({"option": named("ACME  240719C00107000")}, "has no quote of it that passes"),
        ({"option": replace(CALL, multiplier=D(10))}, "its multiplier is 10, but 100 in the chain of ACME"),
        ({"option": replace(CALL, currency="EUR")}, "its currency is EUR, but USD in the chain of ACME"),
        ({"chain": changed(a_chain(), JULY, 105, "C", bid=9.0, ask=8.0)}, "has no quote of it that passes"),
        ({"chain": changed(a_chain(), JULY, 105, "C", bid=NAN)}, "implies no volatility (NO_BID)"),
        ({"chain": replace(a_chain(), underlying_px=None)}, "has no quote of it that passes"),
    ],
)
def test_an_option_without_a_fresh_quote_that_passes_has_no_number_but_a_reason(given, why):
    found = priced(**given)

    assert (found.middle, found.position) == (None, None)
    assert why in found.why_not


def test_an_option_whose_underlying_has_no_chain_says_what_to_run():
    found = price_options([CALL], None, since=OPENED, session=NEXT)[CALL.symbol]

    assert (
        found.why_not == "no chain of its underlying since 2024-06-03 13:30 UTC is in store; run ingest-chains for ACME"
    )


def test_a_quote_below_what_exercise_is_worth_has_a_middle_and_no_volatility():
    deep = named("ACME  240719C00080000")  # 20.00 in the money

    found = priced(deep, changed(a_chain(), JULY, 80, "C", bid=19.95, ask=20.03))

    assert (found.middle, found.position) == (D("19.99"), None)
    assert found.why_not.endswith("implies no volatility (BELOW_INTRINSIC); run ingest-chains for ACME")


def test_beside_an_option_that_cannot_be_measured_nothing_is_added_while_a_limit_needs_it():
    missing = price_options([CALL], None, since=OPENED, session=NEXT)[CALL.symbol]
    model = a_model(HISTORY, {CALL.symbol: SymbolFacts(not_priced=missing.why_not)})
    vega = MeasureLimits(max_vega=D(10**6), history_sessions=100)
    short = a_portfolio(model, vega, {CALL.symbol: -500.0, "ACME": 200.0})
    without = a_portfolio(model, vega, {"ACME": 200.0})

    refused = short.breach("ACME", 100.0)

    assert short.unmeasured == {CALL.symbol: missing.why_not}
    assert refused.code is RefusalCode.NOT_MEASURED
    assert f"what {CALL.symbol} may lose cannot be measured: no chain of its underlying" in refused.text
    assert without.breach("ACME", 100.0) is None
    assert (short.breach("ACME", -200.0), short.breach(CALL.symbol, 500.0)) == (None, None)  # both only close
    assert short.breach(CALL.symbol, -100.0).code is RefusalCode.NOT_MEASURED
