"""Option chains from Massive (formerly Polygon): all contracts of one underlying, 250 by one GET."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from urllib.parse import quote

import pandas as pd

from adapters.massive_api import MassiveApi, Row, amount, day, nanoseconds, number, price
from adapters.quoted_rows import part, quoted
from trading.errors import SourceUnavailable, UnknownSymbol
from trading.options.chains import ExerciseStyle, OptionChain, chain_frame

PATH = "/v3/snapshot/options/"
MULTIPLIER = 100
RIGHTS = {"call": "C", "put": "P"}
INDEX = "I:"  # which Massive writes before the symbol of an index
_TICKER = re.compile(r"O:([A-Z0-9.]+?)\d{6}[CP]\d{8}", re.ASCII)  # the OCC symbol, without its blanks


class MassiveChains:
    """Option chains of US stocks and indices; a plan with option snapshots is needed.

    Left out are contracts that something was done to by a corporate action (their root ends in a digit, as AAPL1 does)
    and those that are not of 100 units: one of them is not worth what its strike says. Where two roots have a contract
    of the same expiry, strike and right, as SPX (settled at the open) and SPXW (at the close) do, the one of the
    underlying's own name is taken.

    Args:
        now: the time, UTC.

    Source: massive.com/docs/rest/options/snapshots/option-chain-snapshot; open interest is of the evening before.
    Roots: theocc.com, "Options Symbology Initiative" and its memos on contract adjustments.
    """

    def __init__(self, api: MassiveApi, *, now: Callable[[], datetime]) -> None:
        self._api, self._now = api, now

    @property
    def name(self) -> str:
        """Return the name of the source."""
        return self._api.name

    def fetch(self, underlying: str) -> OptionChain:
        """Return the whole chain as it is now.

        Args:
            underlying: as Massive writes it: AAPL, I:SPX.

        Raises:
            UnknownSymbol: Massive has no options on it that are not left out.
            SourceUnavailable: Massive does not answer properly, limits or refuses us, or the budget has no room.
        """
        rows = self._api.all_rows(PATH + quote(underlying, safe=":"), {"limit": "250"})
        at, own = self._now(), underlying.removeprefix(INDEX)
        contracts = self._standard(underlying, rows)
        if not contracts:
            raise UnknownSymbol([underlying], self.name)
        # Those of the own root come last, and so stay.
        by_root = sorted(contracts, key=lambda ticker: (_root(ticker) == own, ticker))
        taken = pd.DataFrame([self._contract(underlying, contracts[ticker]) for ticker in by_root])
        return OptionChain(
            underlying=underlying,
            underlying_px=_underlying_px(rows),
            style=self._style(underlying, list(contracts.values())),
            frame=chain_frame(taken.drop_duplicates(["expiry", "strike", "right"], keep="last")),
            source=self.name,
            at=at,
            multiplier=Decimal(MULTIPLIER),
        )

    def _standard(self, underlying: str, rows: Sequence[Row]) -> Mapping[str, Row]:
        """Return the contracts that are not left out, by their tickers."""
        own = underlying.removeprefix(INDEX)
        found: dict[str, Row] = {}
        for row in rows:
            ticker = str(part(row, "details").get("ticker"))
            if ticker in found or str(part(row, "underlying_asset").get("ticker", own)).removeprefix(INDEX) != own:
                raise self._wrong(underlying, row, "is there twice, or of another underlying")
            found[ticker] = row
        return {ticker: row for ticker, row in found.items() if self._is_standard(underlying, ticker, row)}

    def _is_standard(self, underlying: str, ticker: str, row: Row) -> bool:
        root, details = _root(ticker), part(row, "details")
        if root is None:
            raise self._wrong(underlying, row, "has no OCC symbol")
        is_adjusted = root[-1].isdigit()
        return (
            not is_adjusted
            and details.get("shares_per_contract") == MULTIPLIER
            and str(details.get("contract_type")) in RIGHTS
        )

    def _contract(self, underlying: str, row: Row) -> dict[str, object]:
        details, latest, trade, today = (part(row, name) for name in ("details", "last_quote", "last_trade", "day"))
        numbers = {
            "bid": price(latest.get("bid")),
            "ask": price(latest.get("ask")),
            "bid_size": amount(latest.get("bid_size")),
            "ask_size": amount(latest.get("ask_size")),
            "last": price(trade.get("price")),
            "volume": amount(today.get("volume")),
            "open_interest": amount(row.get("open_interest")),
        }
        strike, expiry = number(details.get("strike_price")), day(details.get("expiration_date"))
        if None in numbers.values() or expiry is None or strike is None or strike <= 0:
            raise self._wrong(underlying, row, "has a price, a size, a strike or an expiry that is none")
        return numbers | {
            "expiry": expiry,
            "strike": strike,
            "right": RIGHTS[str(details["contract_type"])],
            "quoted_at": nanoseconds(latest.get("last_updated")),
        }

    def _style(self, underlying: str, rows: Sequence[Row]) -> ExerciseStyle:
        styles = {str(part(row, "details").get("exercise_style")) for row in rows}
        if len(styles) > 1 or not styles <= set(ExerciseStyle):
            raise self._wrong(underlying, rows[0], f"and others are of the exercise styles {sorted(styles)}")
        return ExerciseStyle(styles.pop())

    def _wrong(self, underlying: str, row: Row, why: str) -> SourceUnavailable:
        ticker = quoted(part(row, "details").get("ticker"), self._api.key)
        return SourceUnavailable(self.name, f"options on {underlying}: {ticker} {why}: {quoted(row, self._api.key)}")


def _root(ticker: str) -> str | None:
    found = _TICKER.fullmatch(ticker)
    return found[1] if found else None


def _underlying_px(rows: Sequence[Row]) -> float | None:
    """Return the newest price of the underlying, or level of an index."""
    told = [part(row, "underlying_asset") for row in rows]
    found = [(nanoseconds(u.get("last_updated")), number(u.get("price", u.get("value")))) for u in told]
    dated = [(at, px) for at, px in found if at is not None and px is not None and px > 0]
    return max(dated)[1] if dated else None
