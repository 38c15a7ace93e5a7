"""Backfills: bars of past sessions that are still to be fetched, and when each request is filled."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from itertools import groupby

from trading.errors import InvalidValue
from trading.market.bars import DailyBars, FetchedBars
from trading.market.calendars import TradingCalendar
from trading.market.gaps import Gap, Listing, missing_ranges
from trading.market.quality import QualityReport

ATTEMPTS = 3  # that a gap is worth; a real halt has no bars, however often they are asked for
GAPS_TOGETHER = timedelta(days=31)  # gaps of one month are asked for at once, with what lies between them

Key = tuple[str, date, date]


class Why(StrEnum):
    """Why bars are wanted."""

    ASKED = "asked"  # a person named the range; it is tried again each time it is named
    GAP = "gap"  # the calendar has sessions without a bar; after ATTEMPTS it is given up


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillRequest:
    """Bars of one symbol that are wanted.

    Attributes:
        attempts: how often a run has ended without filling it.
        said: why the last one did not; empty before the first.
    """

    source: str
    symbol: str
    first: date
    last: date
    why: Why
    attempts: int = 0
    said: str = ""

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise InvalidValue("last", str(self.last), f"not before first, {self.first}, of {self.symbol}")

    @property
    def key(self) -> Key:
        """Return what tells it from the other requests of its source."""
        return self.symbol, self.first, self.last

    @property
    def given_up(self) -> bool:
        """Tell whether it is not tried again by itself."""
        return self.why is Why.GAP and self.attempts >= ATTEMPTS

    def tried(self, said: str) -> "BackfillRequest":
        """Return it after one more attempt that did not fill it."""
        return replace(self, attempts=self.attempts + 1, said=said)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsOfRange:
    """Requests that are asked for together.

    Attributes:
        first: first session to ask for.
        last: last session to ask for.
    """

    first: date
    last: date
    requests: tuple[BackfillRequest, ...]


def asked_requests(
    source: str, symbols: Iterable[str], first: date, last: date, left_on: Mapping[str, date], calendar: TradingCalendar
) -> tuple[BackfillRequest, ...]:
    """Return a request for each symbol; one that left before the end of the range is wanted up to then only.

    Args:
        left_on: the last day of the symbols that have left.
    """
    requests = []
    for symbol in symbols:
        sessions = calendar.session_index(first, min(last, left_on.get(symbol, last)))
        if len(sessions):
            until = sessions[-1].date()
            requests.append(BackfillRequest(source=source, symbol=symbol, first=first, last=until, why=Why.ASKED))
    return tuple(requests)


def gap_requests(source: str, gaps: Iterable[Gap]) -> tuple[BackfillRequest, ...]:
    """Return a request for each gap."""
    return tuple(
        BackfillRequest(source=source, symbol=gap.symbol, first=gap.first, last=gap.last, why=Why.GAP) for gap in gaps
    )


def by_range(requests: Sequence[BackfillRequest], calendar: TradingCalendar) -> tuple[RequestsOfRange, ...]:
    """Return the requests that can be asked for together, in their order.

    What was asked for shares its range exactly. Gaps share a month, with the session on either side of each, so that it
    is seen whether what comes fits what is stored.
    """
    asked = sorted((r for r in requests if r.why is Why.ASKED), key=lambda r: (r.first, r.last))
    ranges = [
        RequestsOfRange(first=first, last=last, requests=tuple(group))
        for (first, last), group in groupby(asked, key=lambda r: (r.first, r.last))
    ]
    together: list[BackfillRequest] = []
    for request in sorted((r for r in requests if r.why is Why.GAP), key=lambda r: (r.first, r.last, r.symbol)):
        if together and request.last - together[0].first > GAPS_TOGETHER:
            ranges.append(_around(together, calendar))
            together = []
        together.append(request)
    return (*ranges, _around(together, calendar)) if together else tuple(ranges)


def judged(
    requests: Sequence[BackfillRequest],
    fetched: FetchedBars,
    report: QualityReport,
    good: DailyBars,
    calendar: TradingCalendar,
) -> tuple[list[BackfillRequest], list[BackfillRequest]]:
    """Return the requests that are filled, and the others with why they are not.

    What was asked for is filled by any bars that passed: a symbol may have been listed later. A gap is filled when no
    session of it is missing any more.
    """
    passed, bad = set(good.frame["symbol"]), report.quarantined()
    said = {outcome.symbol: outcome.text for outcome in fetched.outcomes}
    filled: list[BackfillRequest] = []
    tried: list[BackfillRequest] = []
    for request in requests:
        symbol = request.symbol
        if symbol not in passed:
            tried.append(request.tried(bad.get(symbol) or said.get(symbol) or "the source gave no answer"))
        elif request.why is Why.GAP and (still := _still_missing(request, good, calendar)):
            tried.append(request.tried(f"{symbol}: the source has no bar of {still[0].first}, which is a session"))
        else:
            filled.append(request)
    return filled, tried


def _still_missing(request: BackfillRequest, good: DailyBars, calendar: TradingCalendar) -> tuple[Gap, ...]:
    listed = {request.symbol: Listing(first=request.first, last=request.last)}
    return missing_ranges(good.frame[good.frame["symbol"] == request.symbol], calendar=calendar, listed=listed)


def _around(requests: Sequence[BackfillRequest], calendar: TradingCalendar) -> RequestsOfRange:
    first, last = min(r.first for r in requests), max(r.last for r in requests)
    before, after = calendar.previous_session(first), calendar.next_session(last)
    return RequestsOfRange(first=before, last=after, requests=tuple(requests))
