"""Option chains from Yahoo Finance: all expiries of an underlying, one request each. Unofficial, for personal use."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pandas as pd

from adapters.quoted_values import Unusable, quoted_amount, quoted_epoch, quoted_number, quoted_objects, quoted_price
from adapters.us_symbols import dashed
from adapters.yahoo_access import YahooAccess
from trading.errors import SourceUnavailable, UnknownSymbol
from trading.options.chains import CHAIN_KEYS, ExerciseStyle, OptionChain, chain_frame

PATH = "/v7/finance/options/"
RIGHTS: Mapping[str, str] = {"calls": "C", "puts": "P"}
OSI_TAIL = len("240119C00065000")  # what follows the root in a contract's symbol
STANDARD = "REGULAR"  # Yahoo's word for contracts of 100 shares


class YahooChains:
    """Chains as Yahoo shows them now, 15 minutes late.

    Left out are sizes and times, which it does not tell, and contracts of another size than 100, which a chain cannot
    hold beside the others. Where two roots share an expiry and a strike (SPX is settled in the morning, SPXW in the
    evening of the day) the later in the alphabet is kept. Options on an index are taken for European, all others for
    American ones.

    Args:
        access: a chain takes a request for each expiry, ten to twenty as a rule.
        mic: ISO 10383 code of the exchange of all underlyings; in the USA a dot is a share class.
    """

    def __init__(
        self,
        access: YahooAccess,
        *,
        now: Callable[[], datetime],
        mic: str = "XNYS",
    ) -> None:
        self.name = access.name
        self._access, self._now, self._mic = access, now, mic

    def fetch(self, underlying: str) -> OptionChain:
        """Return the whole chain as it is now.

        Raises:
            UnknownSymbol: Yahoo knows no options on it.
            SourceUnavailable: Yahoo limits or refuses us, or did not answer properly.
        """
        try:
            with self._access.opened():
                nearest = self._ask(underlying, {})
                parts = [self._ask(underlying, {"date": day}) for day in _expiries(nearest)]
            return self._chain(underlying, nearest, parts)
        except Unusable as exc:
            raise SourceUnavailable(self.name, f"options on {underlying}: {exc}"[:200]) from exc

    def _ask(self, underlying: str, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        status, answer = self._access.json(PATH + dashed(underlying, self._mic), parameters)
        chain = answer.get("optionChain") if isinstance(answer, dict) else None
        if not isinstance(chain, dict) or not (chain.get("result") or _says_not_found(chain)):
            raise Unusable(f"{status} and {answer!r}")
        found = quoted_objects("result", chain["result"])
        if not found:
            raise UnknownSymbol([underlying], self.name)
        return found[0]

    def _chain(self, underlying: str, nearest: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> OptionChain:
        rows = [row for part in parts for row in _rows(part)]
        if not rows:
            raise UnknownSymbol([underlying], self.name)
        quote = nearest.get("quote")
        if not isinstance(quote, dict) or quote.get("symbol") != dashed(underlying, self._mic):
            raise Unusable(f"the answer is about {quote!r}")
        px = quoted_price("regularMarketPrice", quote.get("regularMarketPrice"))
        frame = pd.DataFrame(rows).sort_values("root", kind="stable").drop_duplicates(list(CHAIN_KEYS), keep="last")
        return OptionChain(
            underlying=underlying,
            underlying_px=None if pd.isna(px) else px,
            style=ExerciseStyle.EUROPEAN if quote.get("quoteType") == "INDEX" else ExerciseStyle.AMERICAN,
            frame=chain_frame(frame),
            source=self.name,
            at=self._now(),
            multiplier=Decimal(100),
            currency=str(quote.get("currency")),
        )


def _says_not_found(chain: Mapping[str, Any]) -> bool:
    error = chain.get("error")
    return chain.get("result") == [] and (not error or (isinstance(error, dict) and error.get("code") == "Not Found"))


def _expiries(nearest: Mapping[str, Any]) -> list[str]:
    days = nearest.get("expirationDates")
    stamps = {quoted_number("expirationDates", day) for day in days} if isinstance(days, list) else set()
    return [f"{stamp:.0f}" for stamp in sorted(stamps)]


def _rows(part: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    for options in quoted_objects("options", part.get("options")):
        for name, right in RIGHTS.items():
            for row in quoted_objects(name, options.get(name)):
                if row.get("contractSize", STANDARD) == STANDARD:
                    yield _row(row, right)


def _row(row: Mapping[str, Any], right: str) -> dict[str, object]:
    expires = quoted_epoch("expiration", row.get("expiration"))
    strike = quoted_price("strike", row.get("strike"))
    if expires is None or pd.isna(strike):
        raise Unusable(f"{row.get('contractSymbol')} has no expiry or strike")
    return {
        "root": str(row.get("contractSymbol"))[:-OSI_TAIL],
        "expiry": expires.astimezone(UTC).date(),  # Yahoo stamps it with midnight in UTC
        "strike": strike,
        "right": right,
        "bid": quoted_price("bid", row.get("bid")),
        "ask": quoted_price("ask", row.get("ask")),
        "last": quoted_price("lastPrice", row.get("lastPrice")),
        "volume": quoted_amount("volume", row.get("volume")),
        "open_interest": quoted_amount("openInterest", row.get("openInterest")),
    }
