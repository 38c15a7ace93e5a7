"""Two providers that tell the same agree; where they do not, the symbol, the session and both values are told."""

from datetime import date

import pandas as pd
import pytest

from tests.bar_builders import LAST, calm_bars, check, fetched, scaled, with_bar, without_bars, yahoo_download
from trading.errors import InvalidValue
from trading.market.agreement import Agreement, AgreementPolicy, compare
from trading.market.bars import FetchStatus, PriceBasis
from trading.market.quality import FindingSeverity, Rule

CRITICAL, WARNING = FindingSeverity.CRITICAL, FindingSeverity.WARNING
OLD = date(2024, 5, 14)  # its close is 104.50


def compared(other: pd.DataFrame) -> Agreement:
    return compare(fetched(calm_bars("AAPL", "SPY")), fetched(other), AgreementPolicy())


def test_the_same_bars_agree() -> None:
    assert compared(calm_bars("AAPL", "SPY")) == Agreement(findings=(), compared=2, disagreed=0)


@pytest.mark.parametrize(
    ("other", "severity"),
    [
        (with_bar(calm_bars("AAPL", "SPY"), OLD, close=104.9), None),  # 0.4 %
        (with_bar(calm_bars("AAPL", "SPY"), OLD, close=105.5), WARNING),  # 0.9 %
        (with_bar(calm_bars("AAPL", "SPY"), OLD, close=100.5), CRITICAL),  # 3.8 %
        (with_bar(calm_bars("AAPL", "SPY"), OLD, volume=200_000.0), None),  # a fifth
        (with_bar(calm_bars("AAPL", "SPY"), OLD, volume=20_000.0), WARNING),  # a fiftieth
        (without_bars(calm_bars("AAPL", "SPY"), OLD), WARNING),
        (without_bars(calm_bars("AAPL", "SPY"), LAST), WARNING),
        (without_bars(calm_bars("AAPL", "SPY"), date(2024, 5, 1)), None),  # it begins a session later
    ],
)
def test_a_difference_is_graded_by_its_size(other: pd.DataFrame, severity: FindingSeverity | None) -> None:
    found = compared(other)

    assert [(f.rule, f.severity, f.symbol) for f in found.findings] == (
        [] if severity is None else [(Rule.DISAGREEMENT, severity, "AAPL")]
    )
    assert (found.compared, found.disagreed) == (2, len(found.findings))


def test_a_finding_tells_both_values_and_counts_as_those_of_the_gate() -> None:
    agreement = compared(scaled(calm_bars("AAPL", "SPY"), 0.5, LAST))

    (finding,) = agreement.findings
    assert (finding.session, finding.value) == (
        LAST,
        "close 114.5 at test and 57.25 at test, volume 1.00003e+06 and 1.00003e+06",
    )
    assert "AAPL" in check(calm_bars("AAPL", "SPY"), second_reader=agreement.findings).quarantined()


def test_only_symbols_that_both_gave_are_compared() -> None:
    one = fetched(calm_bars("AAPL", "SPY"))
    other = fetched(calm_bars("SPY"), statuses={"AAPL": FetchStatus.FAILED})

    assert compare(one, other, AgreementPolicy()) == Agreement(findings=(), compared=1, disagreed=0)
    nothing = compare(one, fetched(calm_bars("IBM")), AgreementPolicy())
    assert nothing == Agreement(findings=(), compared=0, disagreed=0)


def test_prices_of_another_basis_cannot_be_compared() -> None:
    with pytest.raises(
        InvalidValue, match="price_basis is 'adjusted', but must be that of the bars compared with, raw"
    ):
        compare(fetched(calm_bars()), fetched(calm_bars(), price_basis=PriceBasis.ADJUSTED), AgreementPolicy())


def test_a_real_download_with_a_defect_disagrees_with_its_corrected_twin() -> None:
    bad, fixed = (yahoo_download(name, "AET.L") for name in ("AET-L-1d-100x-error", "AET-L-1d-100x-error-fixed"))

    (finding,) = compare(bad, fixed, AgreementPolicy()).findings

    assert (finding.severity, finding.symbol) == (CRITICAL, "AET.L")
    assert "14 times in all" in finding.text  # of its 23 rows
