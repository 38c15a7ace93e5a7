"""The volatility that each expiry of a chain implies where the underlying stands."""

from dataclasses import replace

import pandas as pd

from trading.options.chain_greeks import chain_greeks
from trading.options.chains import CHAIN_KEYS, OptionChain, chain_frame
from trading.options.terms import PricingTerms


def at_the_money(chain: OptionChain, terms: PricingTerms, among: pd.DataFrame) -> pd.DataFrame:
    """Return the implied volatilities of the call and the put that are struck nearest to the underlying's price.

    Args:
        among: CHAIN_KEYS of the options that may be looked at.

    Returns:
        One row for each expiry that has one of them: `expiry`, `strike`, and at the middle of bid and ask `call` and
        `put`, a year, 0.2 is 20 %; NaN where there is none.

    Raises:
        InvalidValue: as for `chain_greeks`.
    """
    frame = chain.frame.merge(among[list(CHAIN_KEYS)]).drop_duplicates(list(CHAIN_KEYS))
    away = (frame["strike"] - (chain.underlying_px or float("nan"))).abs()
    nearest = frame.assign(away=away).sort_values(["expiry", "away", "strike"]).drop_duplicates("expiry")
    near = frame.merge(nearest[["expiry", "strike"]])
    greeks = chain_greeks(replace(chain, frame=chain_frame(near)), terms)
    wide = greeks.pivot(index=["expiry", "strike"], columns="right", values="iv_mid").reindex(columns=["C", "P"])
    return wide.set_axis(["call", "put"], axis=1).reset_index()
