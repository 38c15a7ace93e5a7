"""Option chains from Alpaca, through alpaca-py: its list of contracts, with open interest, and their latest quotes."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from http import HTTPStatus
from typing import Any, TypeVar

import pandas as pd

from adapters.alpaca_access import AlpacaAccess
from adapters.alpaca_api import AlpacaApi, RequestRefused
from adapters.alpaca_bars import NEW_YORK
from adapters.alpaca_values import price, time_of
from adapters.quoted_rows import day_of, decimal_of
from trading.errors import ChainInvalid, InvalidValue, SourceUnavailable, UnknownSymbol
from trading.options.chains import ExerciseStyle, OptionChain, chain_frame

CONTRACTS_A_PAGE = 10_000
LONGEST = timedelta(days=10 * 366)  # unless an end is named, Alpaca lists what expires this week
T = TypeVar("T")
RIGHTS: Mapping[object, str] = {"call": "C", "put": "P"}


class OptionFeed(StrEnum):
    """Quotes of the exchanges, which are paid for, or free ones that only indicate them."""

    OPRA = "opra"
    INDICATIVE = "indicative"


class AlpacaChains:
    """Chains of options on US shares.

    Options whose root is not the symbol of the underlying, such as those of a company that was split, are left out:
    they are for something else than the shares. Open interest is that of the last session Alpaca tells.

    Args:
        feed: for quotes of options, whatever the feed of shares is.
        now: aware clock.
        name: of the provider.

    Raises:
        InvalidValue: alpaca-py is not installed.

    Source: docs.alpaca.markets/reference/get-options-contracts and optionchain.
    """

    def __init__(
        self,
        *,
        access: AlpacaAccess,
        feed: OptionFeed = OptionFeed.INDICATIVE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        name: str = "alpaca",
    ) -> None:
        self.name = name
        self._access, self._feed, self._now, self._api = access, feed, now, AlpacaApi(name, access)

    def fetch(self, underlying: str) -> OptionChain:
        """Return the whole chain as it is now.

        Raises:
            UnknownSymbol: Alpaca lists no options on it.
            SourceUnavailable: Alpaca did not answer properly, or one value of its answer makes no sense.
        """
        at = self._now()
        contracts = self._contracts(underlying, at.astimezone(NEW_YORK).date())
        if not contracts:
            raise UnknownSymbol([underlying], self.name)
        shown = self._snapshots(underlying)
        try:
            rows = [_row(contract, _part(shown, contract.get("symbol")), at) for contract in contracts]
            return OptionChain(
                underlying=underlying,
                underlying_px=self._last(underlying),
                style=ExerciseStyle(_same(contracts, "style")),
                frame=chain_frame(pd.DataFrame(rows)),
                source=self.name,
                at=at,
                multiplier=Decimal(_same(contracts, "size")),
            )
        except (InvalidValue, ChainInvalid, ValueError, ArithmeticError) as exc:
            why = self._access.shown(f"its chain of {underlying}: {exc}")
        raise SourceUnavailable(self.name, why)

    def _contracts(self, underlying: str, today: date) -> Sequence[Mapping[str, Any]]:
        from alpaca.trading.requests import GetOptionContractsRequest

        found: list[Mapping[str, Any]] = []
        token: str | None = None
        while True:
            request = GetOptionContractsRequest(
                underlying_symbols=[underlying],
                expiration_date_gte=today,
                expiration_date_lte=today + LONGEST,
                limit=CONTRACTS_A_PAGE,
                page_token=token,
            )
            page: Any = self._known(underlying, self._api.contracts.get_option_contracts, request)
            entries = page.get("option_contracts") or []
            if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
                raise SourceUnavailable(self.name, "its option_contracts are no list of JSON objects")
            found += [entry for entry in entries if entry.get("root_symbol") == underlying]
            if not (token := page.get("next_page_token")):
                return found

    def _snapshots(self, underlying: str) -> Mapping[str, Any]:
        from alpaca.data.enums import OptionsFeed
        from alpaca.data.requests import OptionChainRequest

        request = OptionChainRequest(underlying_symbol=underlying, feed=OptionsFeed(self._feed.value))
        answer: Mapping[str, Any] = self._known(underlying, self._api.options.get_option_chain, request)
        return answer

    def _last(self, underlying: str) -> float | None:
        from alpaca.data.enums import DataFeed
        from alpaca.data.requests import StockLatestTradeRequest

        feed = DataFeed(self._access.feed.value)
        trades = self._api.by_symbol(
            [underlying],
            self._api.stocks.get_stock_latest_trade,
            lambda batch: StockLatestTradeRequest(symbol_or_symbols=batch, feed=feed),
        )
        return price(_part(trades, underlying), "p")

    def _known(self, underlying: str, call: Callable[[Any], Any], request: object) -> Any:
        try:
            return self._api.ask(call, request)
        except RequestRefused as exc:
            if exc.status != HTTPStatus.NOT_FOUND and "invalid symbol" not in exc.why:
                raise
        raise UnknownSymbol([underlying], self.name)


def _row(contract: Mapping[str, Any], shown: Mapping[str, Any], at: datetime) -> dict[str, object]:
    quote, trade, bar = (_part(shown, name) for name in ("latestQuote", "latestTrade", "dailyBar"))
    return {
        "expiry": _read(contract, "expiration_date", day_of),
        "strike": float(_read(contract, "strike_price", decimal_of)),
        "right": _read(contract, "type", RIGHTS.get),
        "bid": price(quote, "bp"),
        "ask": price(quote, "ap"),
        "bid_size": price(quote, "bs"),
        "ask_size": price(quote, "as"),
        "last": price(trade, "p"),
        "volume": price(bar, "v") if _is_of_today(bar, at) else None,
        "open_interest": _open_interest(contract),
        "quoted_at": time_of(quote.get("t")),
    }


def _part(answer: Mapping[str, Any], name: Any) -> Mapping[str, Any]:
    part = answer.get(name) or {}
    if not isinstance(part, dict):
        raise InvalidValue(str(name), part, "a JSON object")
    return part


def _read(contract: Mapping[str, Any], name: str, read: Callable[[object], T | None]) -> T:
    if (value := read(contract.get(name))) is None:
        raise InvalidValue(f"{name} of option {contract.get('symbol')}", contract.get(name), "one that can be read")
    return value


def _open_interest(contract: Mapping[str, Any]) -> float | None:
    """Return the open interest, which may well be 0; None where it is not told."""
    return None if contract.get("open_interest") is None else float(_read(contract, "open_interest", decimal_of))


def _is_of_today(bar: Mapping[str, Any], at: datetime) -> bool:
    began = time_of(bar.get("t"))
    return began is not None and began.astimezone(NEW_YORK).date() == at.astimezone(NEW_YORK).date()


def _same(contracts: Sequence[Mapping[str, Any]], name: str) -> str:
    """Return the value that all contracts have."""
    found = {str(contract.get(name)) for contract in contracts}
    if len(found) != 1:
        raise InvalidValue(f"{name} of its options", sorted(found), "the same for all")
    return found.pop()
