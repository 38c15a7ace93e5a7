"""Headlines of IQFeed.

Source: request `NHL` and the layout of its rows as in github.com/mathpaquette/IQFeed.CSharpApiClient, Lookup/News. Its
times are New York's. Sources disagree on how symbols are joined in a request, so each is asked for by itself.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from adapters.iqfeed.history import NEW_YORK
from adapters.iqfeed.iqfeed_settings import NAME, IqfeedSettings
from adapters.iqfeed.lines import Strange, wire_symbol
from adapters.iqfeed.lookup import Lookup, open_lookup
from trading.errors import InvalidValue, SourceUnavailable
from trading.market.reference import Headline

TEXT_FORMAT = "t"
LONGEST_SPAN = timedelta(days=366)  # one request for each symbol and day


class IqfeedNews:
    """Headlines, each symbol and day by a request of its own."""

    name = NAME

    def __init__(self, *, settings: IqfeedSettings) -> None:
        self._settings = settings
        self._strange = Strange(f"{NAME} news")

    @property
    def strange_lines(self) -> int:
        """Return how many rows were not understood, and left out."""
        return self._strange.count

    def headlines(self, symbols: Sequence[str], since: datetime, until: datetime) -> tuple[Headline, ...]:
        """Return the headlines about these symbols, of all when none is named; by time, `until` excluded.

        Raises:
            InvalidValue: a time is not aware, the span is negative or longer than a year, or a symbol cannot be one.
            SourceUnavailable: IQConnect did not answer properly.
        """
        if since.tzinfo is None or until.tzinfo is None:
            raise InvalidValue("since and until", f"{since} and {until}", "times with their zone")
        if not timedelta(0) <= until - since <= LONGEST_SPAN:
            raise InvalidValue("until", until, f"not before since, {since}, and at most {LONGEST_SPAN.days} days later")
        wanted = [wire_symbol(symbol) for symbol in dict.fromkeys(symbols)] or [""]
        found: dict[str, Headline] = {}
        with open_lookup(self._settings) as lookup:
            for symbol in wanted:
                for day in _days(since, until):
                    for headline in self._ask(lookup, symbol, day):
                        if since <= headline.published_at < until:
                            found[headline.headline_id] = headline
        return tuple(sorted(found.values(), key=lambda headline: (headline.published_at, headline.headline_id)))

    def _ask(self, lookup: Lookup, symbol: str, day: date) -> Iterator[Headline]:
        answer = lookup.ask(["NHL", "", symbol, TEXT_FORMAT, "", f"{day:%Y%m%d}"])
        if answer.error and not (answer.has_no_data or answer.is_of_unknown_symbol):
            raise SourceUnavailable(self.name, f"asked for headlines, IQConnect says {answer.error!r}")
        for row in answer.rows:
            try:
                yield _headline(row)
            except (ValueError, IndexError) as exc:
                self._strange.add(row, f"it is no headline ({exc})")


def _days(since: datetime, until: datetime) -> Iterator[date]:
    day, last = since.astimezone(NEW_YORK).date(), until.astimezone(NEW_YORK).date()
    while day <= last:
        yield day
        day += timedelta(days=1)


def _headline(row: str) -> Headline:
    """Read `N,source,id,:SYMBOL::SYMBOL:,20200612131321,title`; a title may hold commas."""
    kind, _, headline_id, symbols, published, title = row.split(",", 5)
    if kind != "N" or not headline_id:
        raise ValueError("it does not begin with N and an id")
    at = datetime.strptime(published.replace(" ", ""), "%Y%m%d%H%M%S").replace(tzinfo=NEW_YORK)
    return Headline(
        provider=NAME,
        headline_id=headline_id,
        published_at=at.astimezone(UTC),
        title=title.removesuffix(","),
        symbols=tuple(symbol for symbol in symbols.split(":") if symbol),
    )
