"""A provider on loopback that is asked over HTTP with a key: what its tests say of its answers."""

from datetime import date
from typing import Protocol

import pytest

from tests.bar_source_battery import statuses
from trading.errors import SourceUnavailable
from trading.market.bars import BarSource, FetchedBars, FetchStatus

KEY = "QK7XSECRET0V"
FIRST, LAST = date(2020, 8, 27), date(2020, 9, 1)


class Vendor(Protocol):
    """The server: it has AAPL."""

    def answers(self, code: str, body: str, status: int = 200) -> None:
        """Answer so when asked for a symbol."""

    def bars(self, *symbols: str) -> BarSource:
        """Return the adapter that asks it."""
        ...


def good_and(vendor: Vendor, body: str, status: int = 200) -> tuple[FetchStatus, str]:
    """Return what becomes of a symbol answered so, asked together with a good one."""
    vendor.answers("BAD", body, status)
    fetched = vendor.bars("AAPL", "BAD").fetch(["AAPL", "BAD"], FIRST, LAST)
    assert statuses(fetched)["AAPL"] is FetchStatus.OK
    assert set(fetched.bars.frame["symbol"]) == {"AAPL"}
    assert {action.symbol for action in fetched.actions} == {"AAPL"}
    outcome = fetched.outcomes[1]
    assert "BAD" in outcome.text
    assert KEY not in outcome.text
    return outcome.status, outcome.text


def refusal(source: BarSource, symbol: str = "AAPL") -> str:
    """Return why the provider as a whole is unavailable; the key is never in it."""
    with pytest.raises(SourceUnavailable) as caught:
        source.fetch([symbol], FIRST, LAST)
    assert KEY not in str(caught.value)
    return caught.value.why


def days_of(fetched: FetchedBars) -> list[str]:
    return [f"{session:%Y-%m-%d}" for session in fetched.bars.frame["session"]]
