"""Options: implied volatilities, Greeks and checks of a whole chain, beside QuantLib in a loop."""

import os
import statistics
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import QuantLib as ql  # noqa: N813 - as all of its examples call it

from benchmarks.measurement import Measurement, Run, seconds
from trading.market.quality import SymbolVerdict
from trading.options import american, european
from trading.options.chain_checks import check_chain
from trading.options.chain_quality import ChainPolicy
from trading.options.chains import ExerciseStyle, OptionChain, chain_frame
from trading.options.terms import PricingTerms
from trading.options.vanilla import FloatArray, VanillaOptions

AT = datetime(2015, 12, 24, 16, 0, tzinfo=UTC)
TERMS = PricingTerms(rate=0.005)
_BESIDE = Path(__file__).parents[1] / ".." / "shared" / "data"
_LOOPED = 40  # options that the slow baseline is timed on


def european_volatilities(run: Run) -> Iterator[Measurement]:
    """Find the volatilities of a chain's middles, as if it were European."""
    options, px, _, told = _solved(european.implied_volatility)
    kinds = [ql.Option.Call if is_call else ql.Option.Put for is_call in options.is_call]
    rows = list(zip(kinds, *(a.tolist() for a in (options.strike, options.forward, px, options.discount)), strict=True))

    def in_a_loop() -> list[float]:
        return [ql.blackFormulaImpliedStdDev(*row) for row in rows]

    took = _median(run, lambda: european.implied_volatility(options, px))
    baseline = _median(run, in_a_loop)
    yield Measurement(
        name="options.iv",
        value=len(px) / took,
        unit="IV/s",
        baseline=len(px) / baseline,
        note=f"European volatilities of {len(px)} options of {told} in one call; baseline: QuantLib's "
        "blackFormulaImpliedStdDev in a loop",
    )


def european_greeks(run: Run) -> Iterator[Measurement]:
    """Find five Greeks for each option of a chain, as if it were European."""
    options, px, volatility, told = _solved(european.implied_volatility)
    kinds = [ql.Option.Call if is_call else ql.Option.Put for is_call in options.is_call]
    deviation = volatility * np.sqrt(options.years)
    columns = (options.strike, options.forward, deviation, options.discount, options.spot, options.years)
    rows = list(zip(kinds, *(a.tolist() for a in columns), strict=True))

    def in_a_loop() -> list[tuple[float, ...]]:
        found = []
        for kind, strike, forward, sigma, discount, spot, years in rows:
            black = ql.BlackCalculator(ql.PlainVanillaPayoff(kind, strike), forward, sigma, discount)
            greeks = black.delta(spot), black.gamma(spot), black.vega(years), black.theta(spot, years), black.rho(years)
            found.append(greeks)
        return found

    took = _median(run, lambda: european.greeks(options, volatility))
    baseline = _median(run, in_a_loop)
    yield Measurement(
        name="options.greeks",
        value=len(px) / took,
        unit="options/s",
        baseline=len(px) / baseline,
        note=f"delta, gamma, vega, theta and rho of {len(px)} European options of {told} in one call; baseline: "
        "QuantLib's BlackCalculator in a loop",
    )


def american_volatilities(run: Run) -> Iterator[Measurement]:
    """Find the volatilities of a chain's middles, and its Greeks, with early exercise."""
    options, px, volatility, told = _solved(american.implied_volatility)
    few = np.linspace(0, len(px) - 1, 5 if run.quick else _LOOPED).astype(np.intp)

    def in_a_loop() -> list[float]:
        return [_by_quantlib(options, int(i), float(px[i])) for i in few]

    per_baseline = len(few) / _median(run, in_a_loop)
    yield Measurement(
        name="options.american.iv",
        value=len(px) / _median(run, lambda: american.implied_volatility(options, px)),
        unit="IV/s",
        baseline=per_baseline,
        note=f"American volatilities of {len(px)} options of {told} in one call, within a ten-millionth of the strike; "
        f"baseline: QuantLib's own impliedVolatility with its defaults, for {len(few)} of them in a loop",
    )
    yield Measurement(
        name="options.american.greeks",
        value=len(px) / _median(run, lambda: american.greeks(options, volatility)),
        unit="options/s",
        note=f"delta, gamma, vega, theta and rho of {len(px)} American options of {told} in one call",
    )


def chain_checks(run: Run) -> Iterator[Measurement]:
    """Hold a chain against every rule."""
    chain, told = _chain()

    def check() -> None:
        assert check_chain(chain, TERMS, ChainPolicy()).verdict is SymbolVerdict.PASS

    yield Measurement(
        name="options.check",
        value=len(chain.frame) / _median(run, check),
        unit="options/s",
        note=f"every rule for option chains over {len(chain.frame)} options of {told}, report included",
    )


def _median(run: Run, work: Callable[[], object]) -> float:
    work()
    return statistics.median(seconds(work) for _ in range(run.repeats(7)))


def _solved(
    solve: Callable[[VanillaOptions, FloatArray], FloatArray],
) -> tuple[VanillaOptions, FloatArray, FloatArray, str]:
    """Return the options of the chain whose middle has a volatility, with both, and what chain it is."""
    chain, told = _chain()
    quoted = chain.frame[chain.frame["bid"] > 0]
    options = TERMS.options(quoted, float(chain.underlying_px or 0), chain.at)
    middle = quoted[["bid", "ask"]].mean(axis=1).to_numpy()
    volatility = solve(options, middle)
    solved = np.isfinite(volatility)
    return options.take(solved), middle[solved], volatility[solved], told


@cache
def _chain() -> tuple[OptionChain, str]:
    folder = Path(os.environ.get("OPENBELL_TEST_DATA", _BESIDE))
    path = folder / "options" / "goog_chain_snapshots_20151224.parquet"
    if not path.exists():
        return _made_up(), "a made-up chain (the real one was not there)"
    rows = pd.read_parquet(path)
    rows = rows[rows["snapshot_time"] == pd.Timestamp(AT)].rename(columns={"quote_bar_start": "quoted_at"})
    spot = float(rows[["underlying_bid", "underlying_ask"]].iloc[0].mean())
    return _of(chain_frame(rows), spot), "GOOG on 2015-12-24 at 11:00"


def _of(frame: pd.DataFrame, spot: float) -> OptionChain:
    return OptionChain(
        underlying="GOOG",
        underlying_px=spot,
        style=ExerciseStyle.AMERICAN,
        frame=frame,
        source="benchmark",
        at=AT,
    )


def _made_up() -> OptionChain:
    """Return a chain of 2,192 options priced at 30 %."""
    expiries = pd.date_range("2016-01-15", periods=8, freq="90D")
    keys = pd.MultiIndex.from_product([expiries, np.linspace(400, 1100, 137), ["C", "P"]])
    frame = chain_frame(keys.to_frame(index=False, name=["expiry", "strike", "right"]))
    fair = american.price(TERMS.options(frame, 750.0, AT), 0.3)
    return _of(frame.assign(bid=fair * 0.99, ask=fair * 1.01, open_interest=100.0), 750.0)


def _by_quantlib(options: VanillaOptions, i: int, px: float) -> float:
    """Return the volatility as QuantLib's own method finds it, which counts whole days."""
    today, days = ql.Date(24, 12, 2040), ql.Actual365Fixed()
    spot = ql.QuoteHandle(ql.SimpleQuote(float(options.spot[i])))
    curves = [
        ql.YieldTermStructureHandle(ql.FlatForward(today, float(rate), days))
        for rate in (options.dividend_yield[i], options.rate[i])
    ]
    start = ql.BlackVolTermStructureHandle(ql.BlackConstantVol(today, ql.NullCalendar(), 0.2, days))
    process = ql.BlackScholesMertonProcess(spot, *curves, start)
    payoff = ql.PlainVanillaPayoff(ql.Option.Call if options.is_call[i] else ql.Option.Put, float(options.strike[i]))
    expiry = today + max(1, round(365 * float(options.years[i])))
    option = ql.VanillaOption(payoff, ql.AmericanExercise(today, expiry))
    try:
        return float(option.impliedVolatility(px, process))
    except RuntimeError:  # its grid finds none at that price; the time it took still counts
        return float("nan")
