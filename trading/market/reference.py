"""Reference data beside prices of what is traded: levels of indices, headlines, the economic calendar."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexLevel:
    """The level of an index at the end of a session, such as 22.75 for VIX; no price, as nobody can buy it."""

    index: str
    session: date
    level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """A news headline.

    Attributes:
        headline_id: the provider's own, unique with it.
        published_at: UTC.
        symbols: those the provider says it is about.
        url: empty where there is none.
    """

    provider: str
    headline_id: str
    published_at: datetime
    title: str
    symbols: tuple[str, ...] = ()
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EconomicEvent:
    """A scheduled release of a number, or of a company's results.

    Attributes:
        on: the day, where the provider tells no time.
        at: UTC; None where only the day is known.
        subject: country or symbol that it is about.
        actual: None before the release.
    """

    provider: str
    name: str
    subject: str
    on: date
    at: datetime | None = None
    actual: float | None = None
    forecast: float | None = None
    previous: float | None = None
    unit: str = ""


class IndexSource(Protocol):
    """Where levels of indices come from."""

    @property
    def name(self) -> str:
        """Return the provider's name."""
        ...

    def levels(self, index: str, first: date, last: date) -> tuple[IndexLevel, ...]:
        """Return the levels from `first` to `last`, both included, by session.

        Raises:
            UnknownSymbol: the provider does not know the index.
            SourceUnavailable: the provider did not answer properly.
        """
        ...


class NewsSource(Protocol):
    """Where headlines come from."""

    @property
    def name(self) -> str:
        """Return the provider's name."""
        ...

    def headlines(self, symbols: Sequence[str], since: datetime, until: datetime) -> tuple[Headline, ...]:
        """Return the headlines about these symbols, of all when none is named; by time, `until` excluded.

        Raises:
            SourceUnavailable: the provider did not answer properly.
        """
        ...


class EventSource(Protocol):
    """Where the economic calendar comes from."""

    @property
    def name(self) -> str:
        """Return the provider's name."""
        ...

    def events(self, first: date, last: date) -> tuple[EconomicEvent, ...]:
        """Return the events from `first` to `last`, both included, by day.

        Raises:
            SourceUnavailable: the provider did not answer properly.
        """
        ...
