"""Great Expectations reads the same chains by the same rules, and must come to the same findings as ours."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from adapters.gx_chain_suite import GxChainSuite, GxChainVerdict, GxOptionFailure
from tests.chain_builders import AT, EXPIRIES, HALF_DAY, TERMS, a_chain, changed, real_chains
from trading.market.quality import FindingSeverity
from trading.options.chain_checks import check_chain
from trading.options.chain_quality import ChainPolicy, ChainRule
from trading.options.chains import OptionChain, chain_frame
from trading.options.terms import PricingTerms

JULY = EXPIRIES[1]


def both(chain: OptionChain, terms: PricingTerms) -> tuple[set[tuple[str, ...]], set[tuple[str, ...]]]:
    """Return what each reader finds: expiry, strike, right and rule."""
    policy = ChainPolicy()
    ours = check_chain(chain, terms, policy).options
    theirs = GxChainSuite(policy).validate(chain, terms).failures
    return (
        {
            (f"{row.expiry!s:.10}", f"{row.strike:g}", row.right, rule)
            for row in ours.itertuples()
            for rule in row.rules.split()
        },
        {(str(f.expiry) if f.expiry else "NaT", f"{f.strike:g}", f.right, f.rule.value) for f in theirs},
    )


def test_a_calm_chain_meets_every_expectation():
    verdict = GxChainSuite(ChainPolicy()).validate(a_chain(), TERMS)

    assert verdict == GxChainVerdict(success=True, failures=(), docs_path=None, expectations=22)


def test_an_option_that_fails_is_named():
    verdict = GxChainSuite(ChainPolicy()).validate(changed(a_chain(), JULY, 100, "C", bid=9.0), TERMS)

    assert not verdict.success
    assert verdict.failures == (
        GxOptionFailure(
            rule=ChainRule.CROSSED, severity=FindingSeverity.CRITICAL, expiry=JULY, strike=100.0, right="C"
        ),
    )


def test_the_suite_and_its_results_are_kept_as_pages_when_asked_for(tmp_path: Path):
    verdict = GxChainSuite(ChainPolicy(), tmp_path).validate(a_chain(), TERMS)

    assert verdict.docs_path is not None
    assert "option_chain" in verdict.docs_path.read_text()


def test_both_readers_find_the_same_in_a_chain_where_everything_is_wrong():
    chain = a_chain()
    frame = chain.frame.copy()
    rng = np.random.default_rng(7)
    for column, value in (
        ("bid", 9.0), ("bid", -1.0), ("ask", 0.0), ("ask", np.inf), ("bid", np.nan), ("strike", 10_000.0),
        ("strike", np.nan), ("open_interest", 0.0), ("open_interest", -1.0), ("ask", 30.0), ("ask", 0.05),
        ("expiry", pd.Timestamp(2024, 5, 17)), ("expiry", pd.NaT),
        ("quoted_at", pd.Timestamp(AT) - pd.Timedelta(days=1)), ("quoted_at", pd.Timestamp(AT) + pd.Timedelta(days=1)),
    ):  # fmt: skip
        frame.loc[rng.choice(54, 2, replace=False), column] = value
    twice = pd.concat([frame, frame.iloc[[3]], frame.iloc[[4]].assign(last=0.0)])

    ours, theirs = both(replace(chain, frame=chain_frame(twice)), TERMS)

    assert theirs == ours
    assert len({rule for *_, rule in ours}) >= 10


def test_real_chains_get_the_same_findings_from_both():
    ours, theirs = both(real_chains("GOOG")[5], PricingTerms(rate=0.005, expires=HALF_DAY))

    assert theirs == ours
    assert len(ours) > 700
