"""Headlines from Alpha Vantage, NEWS_SENTIMENT."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from adapters.alpha_vantage_api import AlphaVantageApi
from adapters.quoted_rows import quoted
from adapters.quoted_values import Unusable, quoted_objects
from adapters.us_symbols import dashed
from trading.market.reference import Headline

MOST = 1000  # headlines of an answer
MINUTE = timedelta(minutes=1)


class AlphaVantageNews:
    """Headlines about symbols, one GET or more for each: Alpha Vantage takes several for those about all at once.

    Times are taken for UTC, as its documentation names no zone. A headline's id is its address.

    Args:
        api: how it is asked.
        mic: ISO 10383 code of the exchange of all symbols; in the USA a dot is a share class.

    Source: alphavantage.co/documentation, "Market News & Sentiment".
    """

    def __init__(self, api: AlphaVantageApi, *, mic: str = "XNYS") -> None:
        self._api, self._mic = api, mic

    @property
    def name(self) -> str:
        """Return the provider's name."""
        return self._api.name

    def headlines(self, symbols: Sequence[str], since: datetime, until: datetime) -> tuple[Headline, ...]:
        """Return the headlines about these symbols, of all when none is named; by time, `until` excluded.

        Raises:
            SourceUnavailable: Alpha Vantage limits or refuses us, or does not answer properly.
        """
        ours = {dashed(symbol, self._mic): symbol for symbol in symbols}
        found: dict[str, Headline] = {}
        try:
            for code in ours or [""]:
                for headline in self._about(code, since, until, ours):
                    found[headline.headline_id] = headline
        except Unusable as exc:
            raise self._api.unavailable("NEWS_SENTIMENT", exc) from None
        within = [headline for headline in found.values() if since <= headline.published_at < until]
        return tuple(sorted(within, key=lambda headline: (headline.published_at, headline.headline_id)))

    def _about(self, code: str, since: datetime, until: datetime, ours: Mapping[str, str]) -> list[Headline]:
        """Return the headlines from the minute of `since` to the one after `until`, as many answers as it takes."""
        found: list[Headline] = []
        while True:
            parameters = {
                "time_from": _minute(since),
                "time_to": _minute(until + MINUTE),
                "sort": "EARLIEST",
                "limit": str(MOST),
                **({"tickers": code} if code else {}),
            }
            answer = self._api.ask("NEWS_SENTIMENT", parameters)
            if answer and "feed" not in answer:
                raise Unusable(f"an answer without a feed: {quoted(answer, self._api.key)}")
            feed = [self._headline(row, ours) for row in quoted_objects("feed", answer.get("feed"))]
            found += feed
            if len(feed) < MOST:
                return found
            if _minute(feed[-1].published_at) <= _minute(since):
                raise Unusable(f"more than {MOST} headlines in a minute")
            since = feed[-1].published_at

    def _headline(self, row: Mapping[str, object], ours: Mapping[str, str]) -> Headline:
        title, url = row.get("title"), row.get("url")
        if not (isinstance(title, str) and title and isinstance(url, str) and url):
            raise Unusable(f"a headline without title or address: {quoted(row, self._api.key)}")
        codes = [str(each.get("ticker")) for each in quoted_objects("ticker_sentiment", row.get("ticker_sentiment"))]
        return Headline(
            provider=self.name,
            headline_id=url,
            published_at=_time(row.get("time_published")),
            title=title,
            symbols=tuple(ours.get(code, code) for code in codes),
            url=url,
        )


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M}"


def _time(value: object) -> datetime:
    try:
        return datetime.strptime(str(value), "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        raise Unusable(f"time_published is {value!r}, which is no time") from None
