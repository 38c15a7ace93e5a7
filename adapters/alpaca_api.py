"""Alpaca over HTTP: every way in which it can fail to answer is one error, and no key is in any of them."""

import re
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from http import HTTPStatus
from http.client import HTTPException
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from adapters.alpaca_access import AlpacaAccess
from adapters.json_api import refusal
from adapters.request_budget import Priority
from trading.errors import InvalidValue, SourceUnavailable

if TYPE_CHECKING:
    from adapters.alpaca_clients import ActionsClient, ContractClient, HeadlineClient, OneTry, OptionClient, StockClient

R = TypeVar("R")
T = TypeVar("T")
Client = TypeVar("Client", bound="OneTry")

# What alpaca-py raises over a broken answer: whatever Python error its parsing happens to end in.
BROKEN = (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError)
SYMBOLS_A_REQUEST = 100
_NO_SYMBOL = re.compile(r"invalid symbol: ([^\s\"]+)")  # it names one of them, and answers on none


class RequestRefused(SourceUnavailable):
    """Alpaca does not do what this request asks, and may well do what another asks."""

    def __init__(self, source: str, why: str, status: int) -> None:
        super().__init__(source, why)
        self.status = status


class AlpacaApi:
    """Asks Alpaca, through alpaca-py.

    Args:
        name: of the adapter, in messages.

    Raises:
        InvalidValue: alpaca-py is not installed.
    """

    def __init__(self, name: str, access: AlpacaAccess) -> None:
        self._name, self._access = name, access
        library("adapters.alpaca_clients")
        self._budget = access.shared_budget()

    @cached_property
    def stocks(self) -> "StockClient":
        """Return the client for bars, quotes and trades of shares."""
        from adapters.alpaca_clients import StockClient

        return self._made(StockClient, self._access.base_url)

    @cached_property
    def actions(self) -> "ActionsClient":
        """Return the client for corporate actions."""
        from adapters.alpaca_clients import ActionsClient

        return self._made(ActionsClient, self._access.base_url)

    @cached_property
    def options(self) -> "OptionClient":
        """Return the client for quotes of options."""
        from adapters.alpaca_clients import OptionClient

        return self._made(OptionClient, self._access.base_url)

    @cached_property
    def contracts(self) -> "ContractClient":
        """Return the client for the list of options."""
        from adapters.alpaca_clients import ContractClient

        return self._made(ContractClient, self._access.trading_url)

    @cached_property
    def headlines(self) -> "HeadlineClient":
        """Return the client for news."""
        from adapters.alpaca_clients import HeadlineClient

        return self._made(HeadlineClient, self._access.base_url)

    def ask(self, call: Callable[[R], T], request: R) -> T:
        """Return what a client gives for a request.

        Raises:
            RequestRefused: Alpaca answers 4xx to this request.
            SourceUnavailable: there is no answer, it speaks for Alpaca as a whole, or it is none.
        """
        try:
            return call(request)
        except vendor_errors() as exc:
            error = self._translated(exc)
        raise error  # here, so that the foreign error, whose text may hold a key, does not hang on to it

    def in_batches(
        self, symbols: Sequence[str], call: Callable[[R], Any], request_for: Callable[[list[str]], R]
    ) -> list[Mapping[str, Any]]:
        """Return the answers on some symbols at a time.

        One symbol that is none has Alpaca refuse all of a request, so that the others are asked for again without it.
        """
        answers: list[Mapping[str, Any]] = []
        for start in range(0, len(symbols), SYMBOLS_A_REQUEST):
            batch = list(symbols[start : start + SYMBOLS_A_REQUEST])
            while batch:
                try:
                    answers.append(self._object(self.ask(call, request_for(batch))))
                    break
                except RequestRefused as exc:
                    named = _NO_SYMBOL.search(exc.why)
                    if named is None or named[1] not in batch:
                        raise
                    batch.remove(named[1])
        return answers

    def by_symbol(
        self, symbols: Sequence[str], call: Callable[[R], Any], request_for: Callable[[list[str]], R]
    ) -> dict[str, Any]:
        """Ask for some symbols at a time; return the answers by symbol, of those asked that have one."""
        answers = self.in_batches(symbols, call, request_for)
        together = {symbol: answer for each in answers for symbol, answer in each.items()}
        return {symbol: together[symbol] for symbol in symbols if together.get(symbol) is not None}

    def _object(self, answer: object) -> Mapping[str, Any]:
        if not isinstance(answer, dict):
            raise SourceUnavailable(self._name, f"an answer that is no JSON object but {type(answer).__name__}")
        return answer

    def _made(self, kind: Callable[..., Client], address: str) -> Client:
        client = kind(
            self._access.api_key.get_secret_value(),
            self._access.api_secret.get_secret_value(),
            raw_data=True,  # its models refuse a whole answer for one bad value
            url_override=address.rstrip("/"),
        )
        return client.within(self._access.timeout.total_seconds(), self._take)

    def _take(self) -> None:
        """Wait for room in the budget, for as long as for an answer.

        Raises:
            SourceUnavailable: there will be none in that time.
        """
        until = time.monotonic() + self._access.timeout.total_seconds()
        while wait := self._budget.try_to_take(Priority.DATA):
            if time.monotonic() + wait > until:
                raise SourceUnavailable(self._name, f"our budget of requests has room in {wait:.0f} s only")
            time.sleep(wait)

    def _translated(self, exc: Exception) -> SourceUnavailable:
        from alpaca.common.exceptions import APIError
        from requests.exceptions import JSONDecodeError

        if not isinstance(exc, APIError):
            unread = isinstance(exc, JSONDecodeError) or (isinstance(exc, BROKEN) and not isinstance(exc, OSError))
            said = f"{'its answer cannot be read: ' * unread}{type(exc).__name__} {exc}"
            return SourceUnavailable(self._name, self._access.shown(said))
        status, headers = exc.status_code or 0, exc.response.headers if exc.response is not None else {}
        if (why := refusal(status, headers.get("Retry-After"))) is None:
            return RequestRefused(self._name, self._access.shown(f"{status} and {exc}"), status)
        said = f" ({exc})" if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) else ""  # such as: not paid for
        return SourceUnavailable(self._name, self._access.shown(why + said))


def library(module: str) -> ModuleType:
    """Return a module of ours that uses alpaca-py.

    Raises:
        InvalidValue: alpaca-py is not installed.
    """
    with warnings.catch_warnings():
        # alpaca-py 0.44 uses it, on import of any of its modules.
        warnings.filterwarnings("ignore", "websockets.legacy is deprecated", DeprecationWarning)
        try:
            return import_module(module)
        except ModuleNotFoundError as exc:
            if exc.name is None or exc.name.partition(".")[0] != "alpaca":
                raise
            rule = "installed to ask Alpaca: `pip install openbell[alpaca]`"
            raise InvalidValue("library alpaca-py", None, rule) from exc


def vendor_errors() -> tuple[type[Exception], ...]:
    """Return what alpaca-py and what it is built on raise."""
    from alpaca.common.exceptions import APIError, RetryException
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    return APIError, RetryException, RequestException, HTTPError, HTTPException, OSError, *BROKEN
