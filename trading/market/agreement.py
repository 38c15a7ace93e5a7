"""Whether two providers tell the same of the same sessions."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field
from pydantic.dataclasses import dataclass as settings

from trading.errors import InvalidValue
from trading.market.bars import FetchedBars, FetchStatus
from trading.market.quality import Finding, Rule
from trading.market.row_rules import EITHER, Grades, RowRule, column, row_findings
from trading.validation import STRICT

_KEY = ["symbol", "session"]


@settings(frozen=True, slots=True, kw_only=True, config=STRICT)
class AgreementPolicy:
    """How far two providers may be apart."""

    price_tolerance: Annotated[
        float,
        Field(
            gt=0, lt=1, description="Largest difference of two closes before a warning, as a fraction of the larger."
        ),
    ] = 0.005
    critical_tolerance: Annotated[
        float,
        Field(gt=0, lt=1, description="Largest difference of two closes that may be traded on, as a fraction."),
    ] = 0.03
    volume_factor: Annotated[
        float,
        Field(
            gt=1,
            allow_inf_nan=False,
            description="Largest factor between two volumes before a warning; some count one market, some all.",
        ),
    ] = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What a comparison has found.

    Attributes:
        findings: DISAGREEMENT, at most one for each symbol; for `second_reader` of `assess_bars`.
        compared: symbols that both gave bars of.
        disagreed: those with a finding; for `ProviderAnswer` of both, for it is not known who is right.
    """

    findings: tuple[Finding, ...]
    compared: int
    disagreed: int


def compare(first: FetchedBars, second: FetchedBars, policy: AgreementPolicy) -> Agreement:
    """Compare the bars of the symbols that both gave, over the sessions from the later of their first bars on.

    Raises:
        InvalidValue: their prices are not on the same basis.
    """
    basis, other = first.bars.price_basis, second.bars.price_basis
    if basis is not other:
        raise InvalidValue("price_basis", other.value, f"that of the bars compared with, {basis.value}")
    facts = _pairs(first, second)
    if facts.empty:
        return Agreement(findings=(), compared=0, disagreed=0)
    facts["grade"] = _grades(facts, policy)
    codes, names = pd.factorize(facts["symbol"])
    rule = _rule(first.bars.source, second.bars.source)

    def concerns(row: Any) -> tuple[Any, str]:
        return row.session.date(), f"on {row.session:%Y-%m-%d}"

    findings = tuple(row_findings(rule, facts["grade"].to_numpy(), facts, codes, policy, concerns))
    return Agreement(findings=findings, compared=len(names), disagreed=len(findings))


def _pairs(first: FetchedBars, second: FetchedBars) -> pd.DataFrame:
    """Return a row for each bar of either, from the session on at which both have begun."""
    given = [{o.symbol for o in each.outcomes if o.status is FetchStatus.OK} for each in (first, second)]
    frames = [each.bars.frame.drop_duplicates(_KEY, keep="last") for each in (first, second)]
    both = set.intersection(*given, *(set(frame["symbol"]) for frame in frames))
    frames = [frame.loc[frame["symbol"].isin(both), [*_KEY, "close", "volume"]] for frame in frames]
    begun = pd.concat([frame.groupby("symbol")["session"].min() for frame in frames], axis=1).max(axis=1)
    pairs = frames[0].merge(frames[1], on=_KEY, how="outer", suffixes=("", "_there"), indicator="given_by")
    return pairs[pairs["session"] >= begun.reindex(pairs["symbol"]).to_numpy()].sort_values(_KEY, ignore_index=True)


def _grades(facts: pd.DataFrame, policy: AgreementPolicy) -> Grades:
    here, there = facts["close"].to_numpy(), facts["close_there"].to_numpy()
    apart = np.abs(here - there) / np.fmax(np.abs(here), np.abs(there))
    alone = (facts["given_by"] != "both").to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        volumes = np.abs(np.log(facts["volume"].to_numpy() / facts["volume_there"].to_numpy()))
    warned = (
        alone | (apart > policy.price_tolerance) | (np.isfinite(volumes) & (volumes > np.log(policy.volume_factor)))
    )
    return np.where(apart > policy.critical_tolerance, 2, warned).astype(np.int8)


def _rule(here: str, there: str) -> RowRule[AgreementPolicy]:
    def value(row: Any) -> str:
        if row.given_by != "both":
            has, lacks = (here, there) if row.given_by == "left_only" else (there, here)
            return f"{has} has a bar, {lacks} has none"
        return (
            f"close {row.close:g} at {here} and {row.close_there:g} at {there}, volume {row.volume:g} and "
            f"{row.volume_there:g}"
        )

    return RowRule(
        rule=Rule.DISAGREEMENT,
        severities=EITHER,
        grade=column("grade"),
        value=value,
        limit=lambda policy: (
            f"closes within {policy.price_tolerance:.2%}, or {policy.critical_tolerance:.2%} to be traded on, volumes "
            f"within a factor of {policy.volume_factor:g}"
        ),
        remedy="ask a third source which of the two is right",
    )
