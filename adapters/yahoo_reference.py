"""Levels of indices from Yahoo Finance, through yfinance. Unofficial and for personal use."""

from collections.abc import Mapping
from datetime import date

from adapters.yahoo_access import YahooAccess
from adapters.yahoo_bars import YahooBars
from trading.errors import UnknownSymbol
from trading.market.bars import FetchStatus
from trading.market.reference import IndexLevel

# Where Yahoo's name is not the usual one with a caret before it, as ^VIX, ^NDX and ^RUT are.
CODES: Mapping[str, str] = {"SPX": "^GSPC", "COMP": "^IXIC"}


class YahooIndices:
    """Closing levels of indices, by their usual names: VIX, SPX, NDX; or by Yahoo's own, ^GSPC.

    Args:
        currency: ISO 4217 code in which Yahoo gives the levels; an index in another is refused.
    """

    def __init__(self, access: YahooAccess, *, currency: str = "USD") -> None:
        self.name = access.name
        self._bars = YahooBars(access, (), currency=currency)

    def levels(self, index: str, first: date, last: date) -> tuple[IndexLevel, ...]:
        """Return the levels from `first` to `last`, both included, by session; only ask for those that have closed.

        Raises:
            UnknownSymbol: Yahoo does not know the index.
            SourceUnavailable: Yahoo limits or refuses us, or did not answer properly.
        """
        code = index if index.startswith("^") else CODES.get(index, f"^{index}")
        fetched = self._bars.fetch([code], first, last)
        if fetched.outcomes[0].status is FetchStatus.UNKNOWN_SYMBOL:
            raise UnknownSymbol([index], self.name)
        rows = fetched.bars.frame.dropna(subset="close")
        return tuple(
            IndexLevel(index=index, session=session.date(), level=float(level))
            for session, level in zip(rows["session"], rows["close"], strict=True)
        )
