"""Options as a stored chain prices them: the middle of the quote, and the volatility that it implies."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pandas as pd

from trading.errors import InvalidValue
from trading.market.instruments import Option
from trading.options.chain_checks import check_chain
from trading.options.chain_greeks import chain_greeks
from trading.options.chain_quality import ChainPolicy
from trading.options.chains import OptionChain, chain_frame
from trading.options.terms import KeptChain, PricingTerms
from trading.risk.option_revaluation import OptionPosition

_STRIKE_STEP = 0.0005  # half of the smallest that the name of an option can tell


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedOption:
    """What a chain says of one option.

    Attributes:
        middle: of bid and ask, per unit of the underlying; None when it has no quote that may be used.
        position: what prices it; None when it cannot be measured.
        why_not: why it cannot be measured, and what to do; empty when it can.
    """

    middle: Decimal | None = None
    position: OptionPosition | None = None
    why_not: str = ""


class _Ready(NamedTuple):
    chain: OptionChain
    terms: PricingTerms


def price_options(
    options: Iterable[Option], kept: KeptChain | None, *, since: datetime, session: date
) -> dict[str, PricedOption]:
    """Return options on one underlying, each at the middle of its quote in a chain and the volatility that it implies.

    Time to expiry counts from the moment of the chain. An option that the gate of chains would quarantine has no quote.

    Args:
        kept: the newest chain of the underlying in store; None when there is none.
        since: aware; an older chain is stale.
        session: the next one: what expires before it is no more.
    """
    ready = _ready(kept, since)
    return {option.symbol: _priced(option, ready, session) for option in options}


def _ready(kept: KeptChain | None, since: datetime) -> _Ready | str:
    """Return a chain without what its gate quarantines, and its terms; or why there is none."""
    if kept is None or kept.chain.at < since:
        old = "" if kept is None else f", the newest is of {_minute(kept.chain.at)}"
        return f"no chain of its underlying since {_minute(since)} is in store{old}"
    if kept.terms is None:
        return f"{_told(kept.chain)} is stored without the rate it was checked by"
    usable = check_chain(kept.chain, kept.terms, ChainPolicy()).usable()
    return _Ready(replace(kept.chain, frame=chain_frame(kept.chain.frame.loc[usable.index])), kept.terms)


def _priced(option: Option, ready: _Ready | str, session: date) -> PricedOption:
    if option.maturity_date < session:
        return PricedOption(why_not=f"it expired on {option.maturity_date}; reconcile what became of it")
    if isinstance(ready, str):
        return _unpriced(option, ready)
    chain, terms = ready
    if why := _other_contract(option, chain):
        return PricedOption(why_not=why)
    row = _row(option, chain.frame)
    if row.empty:
        return _unpriced(option, f"{_told(chain)} has no quote of it that passes")
    position, why = _position(option, replace(chain, frame=row), terms)
    return replace(_unpriced(option, why) if why else PricedOption(position=position), middle=_middle(row))


def _unpriced(option: Option, why: str) -> PricedOption:
    return PricedOption(why_not=f"{why}; run ingest-chains for {option.underlying}")


def _other_contract(option: Option, chain: OptionChain) -> str:
    """Return why a chain is not of that contract; empty when it is."""
    for name in ("multiplier", "currency"):
        ours, theirs = getattr(option, name), getattr(chain, name)
        if ours != theirs:
            return f"its {name} is {ours}, but {theirs} in {_told(chain)}: they are not the same contract"
    return ""


def _row(option: Option, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the option's row; empty when there is none."""
    here = (
        (frame["expiry"] == pd.Timestamp(option.maturity_date))
        & (frame["right"] == option.put_or_call.value)
        & np.isclose(frame["strike"], float(option.strike_px), rtol=0, atol=_STRIKE_STEP)
    )
    return frame[here].iloc[:1]  # a row that is told twice passes


def _middle(row: pd.DataFrame) -> Decimal | None:
    bid, ask = float(row["bid"].iloc[0]), float(row["ask"].iloc[0])
    return (Decimal(repr(bid)) + Decimal(repr(ask))) / 2 if 0 < bid <= ask else None


def _position(option: Option, chain: OptionChain, terms: PricingTerms) -> tuple[OptionPosition | None, str]:
    """Return what prices the one option of the chain, or why nothing does."""
    try:
        found = chain_greeks(chain, terms).iloc[0]
    except InvalidValue as exc:  # QuantLib is not installed
        return None, str(exc)
    volatility = float(found["iv_mid"])
    if chain.underlying_px is None or not np.isfinite(volatility):
        return None, f"its quote in {_told(chain)} implies no volatility ({found['reason']})"
    one = terms.options(chain.frame, chain.underlying_px, chain.at)
    return OptionPosition(underlying=option.underlying, option=one, volatility=volatility, style=chain.style), ""


def _told(chain: OptionChain) -> str:
    return f"the chain of {chain.underlying} of {_minute(chain.at)}"


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
