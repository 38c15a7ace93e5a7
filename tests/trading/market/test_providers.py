"""How far a provider is to be relied on, and when it rests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.bar_builders import LAST, calm_bars, fetched, without_bars
from trading.market.providers import ProviderAnswer, reliability, rests_until, stale_symbols

NOON = datetime(2024, 3, 15, 12, tzinfo=UTC)


def an_answer(failed: int, minutes: int = 0, asked: int = 10) -> ProviderAnswer:
    return ProviderAnswer(
        provider="acme",
        answered_at=NOON + timedelta(minutes=minutes),
        asked=asked,
        given=asked - failed,
        failed=failed,
        seconds=0.5,
    )


@pytest.mark.parametrize(("failed", "share"), [([], None), ([0, 0], 1.0), ([10, 0], 0.5), ([1, 2, 3], 0.8), ([10], 0)])
def test_reliability_is_the_share_of_symbols_with_a_usable_answer(failed: list[int], share: float | None):
    assert reliability([an_answer(each) for each in failed]) == (share if share is None else pytest.approx(share))


@pytest.mark.parametrize(
    ("failed", "minutes"),
    [
        ([], None),
        ([10, 10], None),
        ([10, 10, 9], None),  # it answered something
        ([10, 10, 10, 0], None),
        ([10, 10, 10], 15),
        ([0, 10, 10, 10], 15),
        ([10, 10, 10, 10], 30),
        ([10] * 7, 240),
        ([10] * 8, 360),  # 480 would be longer than the longest
        ([10] * 20, 360),
    ],
)
def test_a_provider_rests_after_three_unanswered_requests_and_twice_as_long_after_each_more(
    failed: list[int], minutes: int | None
):
    answers = [an_answer(each, minutes=number) for number, each in enumerate(failed)]

    wanted = None if minutes is None else answers[-1].answered_at + timedelta(minutes=minutes)
    assert rests_until(answers) == wanted


def test_stale_and_contradicted_answers_lower_the_reliability():
    good, stale, contradicted = an_answer(0), replace(an_answer(0), stale=2), replace(an_answer(1), disagreed=3)

    # Of 30 symbols asked for, 2 were stale, 1 failed and 3 were contradicted: 24 are left.
    assert reliability([good, stale, contradicted]) == pytest.approx(0.8)
    assert reliability([replace(an_answer(10), disagreed=5)]) == 0


def test_a_symbol_is_stale_when_its_newest_bar_is_older_than_the_session_asked_for():
    bars = fetched(without_bars(calm_bars("AAPL", "IBM", "SPY"), LAST, symbol="IBM"))

    assert stale_symbols(bars, LAST) == 1
