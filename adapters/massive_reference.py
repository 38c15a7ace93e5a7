"""Levels of indices and headlines from Massive (formerly Polygon)."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from adapters.massive_api import MassiveApi, Row, day, number
from adapters.quoted_rows import quoted
from trading.errors import SourceUnavailable, UnknownSymbol
from trading.market.reference import Headline, IndexLevel

INDEX = "I:"  # which Massive writes before the symbol of an index
NEWS = "/v2/reference/news"


class MassiveIndices:
    """Closing levels of indices, such as VIX; a plan with indices is needed, the free one has a few.

    Source: massive.com/docs/rest/indices/aggregates/custom-bars.
    """

    def __init__(self, api: MassiveApi) -> None:
        self._api = api

    @property
    def name(self) -> str:
        """Return the name of the source."""
        return self._api.name

    def levels(self, index: str, first: date, last: date) -> tuple[IndexLevel, ...]:
        """Return the levels from `first` to `last`, both included, by session.

        Args:
            index: its symbol, such as VIX.

        Raises:
            UnknownSymbol: Massive does not know the index.
            SourceUnavailable: Massive does not answer properly, limits or refuses us, or the budget has no room.
        """
        ticker = INDEX + index
        rows = self._api.daily(ticker, first, last)
        if isinstance(rows, str):
            raise SourceUnavailable(self.name, f"{ticker}: {rows}")
        if not rows and not self._is_known(ticker):
            raise UnknownSymbol([index], self.name)
        found: dict[date, IndexLevel] = {}
        for at, values in rows:
            session, level = day(at), number(values.get("close"))
            if session is None or session in found or level is None or level <= 0:
                wrong = quoted({"day": at, **values}, self._api.key)
                raise SourceUnavailable(self.name, f"{ticker}: a level is none, or is there twice: {wrong}")
            found[session] = IndexLevel(index=index, session=session, level=level)
        return tuple(found[session] for session in sorted(found) if first <= session <= last)

    def _is_known(self, ticker: str) -> bool:
        known = self._api.knows(ticker)
        if isinstance(known, str):
            raise SourceUnavailable(self.name, f"{ticker}: {known}")
        return known


class MassiveNews:
    """Headlines about US stocks; all plans have them.

    Source: massive.com/docs/rest/stocks/news.
    """

    def __init__(self, api: MassiveApi) -> None:
        self._api = api

    @property
    def name(self) -> str:
        """Return the name of the source."""
        return self._api.name

    def headlines(self, symbols: Sequence[str], since: datetime, until: datetime) -> tuple[Headline, ...]:
        """Return the headlines about these symbols, of all when none is named; by time, `until` excluded.

        Raises:
            SourceUnavailable: Massive does not answer properly, limits or refuses us, or the budget has no room.
        """
        parameters = {
            "published_utc.gte": f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "published_utc.lte": f"{until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "sort": "published_utc",
            "order": "asc",
            "limit": "1000",
        }
        found: dict[str, Headline] = {}
        for symbol in dict.fromkeys(symbols) or [""]:
            for row in self._api.all_rows(NEWS, parameters | ({"ticker": symbol} if symbol else {})):
                headline = self._headline(row)
                if since <= headline.published_at < until:
                    found[headline.headline_id] = headline
        return tuple(sorted(found.values(), key=lambda headline: (headline.published_at, headline.headline_id)))

    def _headline(self, row: Row) -> Headline:
        headline_id, title, tickers = row.get("id"), row.get("title"), row.get("tickers", [])
        at = _time(row.get("published_utc"))
        if not (isinstance(headline_id, str) and isinstance(title, str) and isinstance(tickers, list)) or at is None:
            wrong = quoted(row, self._api.key)
            raise SourceUnavailable(self.name, f"{NEWS}: a headline without id, title, tickers or time: {wrong}")
        return Headline(
            provider=self.name,
            headline_id=headline_id,
            published_at=at,
            title=title,
            symbols=tuple(str(ticker) for ticker in tickers),
            url=str(row.get("article_url") or ""),
        )


def _time(value: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo is not None else None
