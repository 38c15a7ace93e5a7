"""Providers: what each has answered lately, how far that is to be relied on, and which is better asked last."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import takewhile
from typing import Protocol

import pandas as pd

from trading.market.bars import FetchedBars

REMEMBERED = 20  # answers that count
RESTS_AFTER = 3  # unanswered requests in a row
FIRST_REST, LONGEST_REST = timedelta(minutes=15), timedelta(hours=6)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAnswer:
    """What became of one request to a provider.

    Attributes:
        answered_at: UTC; when it was answered, or given up.
        asked: symbols asked for, >= 1.
        given: symbols that it gave bars of.
        failed: symbols that it had no usable answer on; all when it did not answer. What it knows nothing of is no
            failure of its own.
        seconds: how long it took.
        text: why it did not answer at all; empty when it did.
        stale: symbols whose newest bar was older than the last session asked for.
        disagreed: symbols on which another provider, asked for comparison, said otherwise.
    """

    provider: str
    answered_at: datetime
    asked: int
    given: int
    failed: int
    seconds: float
    text: str = ""
    stale: int = 0
    disagreed: int = 0


class ProviderTrail(Protocol):
    """Where answers are kept."""

    def add(self, answer: ProviderAnswer) -> None:
        """Keep an answer."""
        ...

    def lately(self, provider: str) -> tuple[ProviderAnswer, ...]:
        """Return its last REMEMBERED answers, oldest first."""
        ...


def reliability(answers: Sequence[ProviderAnswer]) -> float | None:
    """Return the share of the symbols asked for on which it had a usable answer, 0 to 1; None if never asked.

    A stale answer is of no use, and of one that another provider contradicts nobody knows.
    """
    asked = sum(answer.asked for answer in answers)
    useless = sum(answer.failed + answer.stale + answer.disagreed for answer in answers)
    return max(0.0, 1 - useless / asked) if asked else None


def stale_symbols(fetched: FetchedBars, last: date) -> int:
    """Return how many symbols have bars, but none of the last session asked for."""
    newest = fetched.bars.frame.groupby("symbol")["session"].max()
    return int((newest < pd.Timestamp(last)).sum())


def rests_until(answers: Sequence[ProviderAnswer]) -> datetime | None:
    """Return until when a provider is asked only after all others.

    After RESTS_AFTER unanswered requests in a row it rests FIRST_REST, and twice as long after each further one.
    """
    unanswered = list(takewhile(lambda answer: answer.failed == answer.asked, reversed(answers)))
    if len(unanswered) < RESTS_AFTER:
        return None
    rest = FIRST_REST * (1 << (len(unanswered) - RESTS_AFTER))
    return unanswered[0].answered_at + min(rest, LONGEST_REST)
