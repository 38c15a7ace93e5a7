"""Headlines from Alpaca, through alpaca-py."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from adapters.alpaca_access import AlpacaAccess
from adapters.alpaca_api import AlpacaApi
from adapters.alpaca_values import time_of
from trading.errors import InvalidValue, SourceUnavailable
from trading.market.reference import Headline

# Alpaca selects articles by the time of their last change, and we by that of their publication.
CHANGED_WITHIN = timedelta(days=1)


class AlpacaNews:
    """Headlines; Alpaca's are Benzinga's.

    An article that was changed more than CHANGED_WITHIN after `until` is not found.

    Args:
        name: of the provider.

    Raises:
        InvalidValue: alpaca-py is not installed.

    Source: docs.alpaca.markets/reference/news-3.
    """

    def __init__(self, *, access: AlpacaAccess, name: str = "alpaca") -> None:
        self.name = name
        self._access, self._api = access, AlpacaApi(name, access)

    def headlines(self, symbols: Sequence[str], since: datetime, until: datetime) -> tuple[Headline, ...]:
        """Return the headlines about these symbols, of all when none is named; by time, `until` excluded.

        Raises:
            SourceUnavailable: Alpaca did not answer properly, or one of its articles makes no sense.
        """
        from alpaca.data.requests import NewsRequest

        request = NewsRequest(
            start=since,
            end=until + CHANGED_WITHIN,
            symbols=",".join(dict.fromkeys(symbols)) or None,
            include_content=False,
        )
        answer: Any = self._api.ask(self._api.headlines.get_news, request)
        try:
            found = [self._headline(article) for article in answer["news"]]
        except (InvalidValue, LookupError, TypeError) as exc:
            why = self._access.shown(f"its news cannot be read: {exc}")
        else:
            within = {h.headline_id: h for h in found if since <= h.published_at < until}
            return tuple(sorted(within.values(), key=lambda h: (h.published_at, h.headline_id)))
        raise SourceUnavailable(self.name, why)

    def _headline(self, article: Mapping[str, Any]) -> Headline:
        published_at, symbols = time_of(article["created_at"]), article["symbols"]
        if published_at is None or not isinstance(article["headline"], str):
            raise InvalidValue("article", article["id"], "one with a time and a headline")
        if not isinstance(symbols, list):
            raise InvalidValue("symbols", symbols, "a list")
        return Headline(
            provider=self.name,
            headline_id=str(article["id"]),
            published_at=published_at,
            title=article["headline"],
            symbols=tuple(str(symbol) for symbol in symbols),
            url=str(article.get("url") or ""),
        )
