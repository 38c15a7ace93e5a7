"""The quality gate for option chains: options are held against every rule, and get their score and verdict."""

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from trading.errors import InvalidValue
from trading.market.quality import Finding, FindingSeverity, SymbolVerdict
from trading.options.chain_facts import chain_facts
from trading.options.chain_quality import ChainPolicy, ChainReport, ChainRule
from trading.options.chain_rules import OPTION_RULES, OptionRule
from trading.options.chains import CHAIN_KEYS, OptionChain
from trading.options.terms import PricingTerms

_VERDICTS = np.array([SymbolVerdict.PASS, SymbolVerdict.WARN, SymbolVerdict.QUARANTINE], dtype=object)


def check_chain(
    chain: OptionChain, terms: PricingTerms, policy: ChainPolicy, at: datetime | None = None
) -> ChainReport:
    """Hold a chain against every rule and return the verdict on each option and on the whole.

    Args:
        terms: rate, dividends and expiry times that the bounds of prices stand on.
        at: aware, from when age and time to expiry count; the chain's own moment when None.

    Raises:
        InvalidValue: `at` has no zone, or the dividends are worth more than the underlying.
    """
    now = at or chain.at
    if now.tzinfo is None:
        raise InvalidValue("at", now, "a time with its zone")
    facts = chain_facts(chain, terms, policy, now)
    grades = np.array([rule.grade(facts[rule.fact], policy) for rule in OPTION_RULES])
    costs = np.array([rule.cost for rule in OPTION_RULES])[:, None]
    score = np.clip(1 - (np.where(grades == 2, 1.0, costs) * (grades > 0)).sum(axis=0), 0, 1)
    options = facts[list(CHAIN_KEYS)].assign(
        score=score,
        verdict=pd.array(_VERDICTS[grades.max(axis=0)], dtype="str"),
        rules=pd.array(_rules(grades), dtype="str"),
    )
    own = list(_chain_findings(chain, policy, now))
    of_options = [
        _finding(rule, chain, facts, grade, policy, now)
        for rule, grade in zip(OPTION_RULES, grades, strict=True)
        if grade.any()
    ]
    mean = float(score.mean()) if len(score) and not own else 0.0
    verdict = SymbolVerdict.QUARANTINE if own else _chain_verdict(mean, grades, policy)
    return ChainReport(
        underlying=chain.underlying,
        source=chain.source,
        verdict=verdict,
        score=mean,
        options=options,
        findings=tuple(sorted(own + of_options, key=lambda f: f.severity is FindingSeverity.WARNING)),
        checked_at=now,
    )


def _rules(grades: npt.NDArray[np.int8]) -> list[str]:
    """Return for each option the words of the rules it breaks."""
    words = np.array([f"{rule.rule} " for rule in OPTION_RULES], dtype=object)[:, None]
    broken = np.where(grades > 0, words, "")
    return [str(told).rstrip() for told in broken.sum(axis=0)]


def _chain_verdict(score: float, grades: npt.NDArray[np.int8], policy: ChainPolicy) -> SymbolVerdict:
    bad = (grades == 2).any(axis=0)
    if score < policy.min_score or not len(bad) or 100 * bad.mean() > policy.max_bad_pct:
        return SymbolVerdict.QUARANTINE
    return SymbolVerdict.WARN if bad.any() or score < policy.warn_score else SymbolVerdict.PASS


def _chain_findings(chain: OptionChain, policy: ChainPolicy, now: datetime) -> Iterator[Finding]:
    spot, strikes = chain.underlying_px, chain.frame["strike"]
    if spot is None or not 0 < spot < np.inf:
        told, wanted = f"a price of {spot} for the underlying", "a price above 0"
        yield _of_chain(ChainRule.NO_UNDERLYING_PRICE, chain, now, told, wanted, "fetch its quote at that moment")
        return
    sane = strikes[np.isfinite(strikes) & (strikes > 0)]
    factor = max(sane.min() / spot, spot / sane.max()) if len(sane) else 1.0
    if factor > policy.max_spot_factor:
        told = f"the underlying at {spot:g}, strikes from {sane.min():g} to {sane.max():g}"
        wanted = f"the underlying at most {policy.max_spot_factor:g} times away from the nearest strike"
        yield _of_chain(ChainRule.SPOT_OFF_STRIKES, chain, now, told, wanted, "look for a split, or for two units")


def _of_chain(rule: ChainRule, chain: OptionChain, now: datetime, value: str, limit: str, remedy: str) -> Finding:
    return Finding(
        rule=rule,
        severity=FindingSeverity.CRITICAL,
        symbol=chain.underlying,
        session=now.date(),
        value=value,
        limit=limit,
        text=f"{chain.underlying} at {now:%Y-%m-%d %H:%M}: {rule}: {value}; wanted: {limit}; {remedy}",
    )


def _finding(
    rule: OptionRule,
    chain: OptionChain,
    facts: pd.DataFrame,
    grades: npt.NDArray[np.int8],
    policy: ChainPolicy,
    now: datetime,
) -> Finding:
    """Return one finding about the first of the worst options, with the count of all."""
    worst, count = int(grades.argmax()), int(np.count_nonzero(grades))
    row = facts.iloc[worst]
    option = f"{chain.underlying} {row.expiry!s:.10} {row.strike:g} {row.right}"
    value, limit = rule.value(row), rule.limit(policy)
    times = "" if count == 1 else f", {count} options in all"
    return Finding(
        rule=rule.rule,
        severity=FindingSeverity.CRITICAL if grades[worst] == 2 else FindingSeverity.WARNING,
        symbol=chain.underlying,
        session=now.date(),
        value=f"{option}: {value}",
        limit=limit,
        text=f"{option}: {rule.rule}{times}: {value}; wanted: {limit}; {rule.remedy}",
    )
