"""The way to Yahoo through yfinance: its cookies, crumbs and imitation of a browser, one caller at a time."""

import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trading.errors import SourceUnavailable

if TYPE_CHECKING:
    from adapters.yahoo_session import YahooSession

# yfinance has one session, one configuration and one cache in a process: one fetch at a time may use them.
ONE_FETCH = threading.Lock()
HOST = "https://query1.finance.yahoo.com"
# A broken or cut answer surfaces in yfinance as whatever Python error its parsing happens to end in: a key that is not
# there, null or a list in place of an object, text in place of JSON or of a number, a number out of all bounds, lists
# in lists without end.
BROKEN = (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError)


class YahooAccess:
    """How Yahoo is asked; given to every adapter that asks it.

    Args:
        base_url: another address to ask, such as a proxy's; None for Yahoo's own.
        timeout: for each request.
        cache_folder: where yfinance keeps time zones and cookies; None for its own choice. One in a process.
        name: of the source, in messages and with everything that comes of it.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        timeout: timedelta = timedelta(seconds=10),
        cache_folder: Path | None = None,
        name: str = "yahoo",
    ) -> None:
        self.name = name
        self._base_url, self._timeout, self._cache_folder = base_url, timeout, cache_folder

    @cached_property
    def session(self) -> "YahooSession":
        """Return the session given to yfinance."""
        from adapters.yahoo_session import YahooSession

        return YahooSession(self._base_url, self._timeout.total_seconds())

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Make yfinance raise instead of log, forget earlier answers and keep its warnings to itself."""
        import yfinance
        from yfinance.data import YfData

        with ONE_FETCH, warnings.catch_warnings():
            # yfinance 1.7 uses what pandas 4 will drop; the pins in pyproject.toml keep the two apart.
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            warnings.filterwarnings("ignore", category=FutureWarning)
            if self._cache_folder is not None:
                yfinance.set_tz_cache_location(str(self._cache_folder))
            YfData.cache_get.cache_clear()  # it also keeps error pages, and would serve them again on a retry
            hidden = yfinance.config.debug.hide_exceptions
            yfinance.config.debug.hide_exceptions = False
            try:
                yield
            finally:
                yfinance.config.debug.hide_exceptions = hidden

    def json(self, path: str, parameters: Mapping[str, str]) -> tuple[int, Any]:
        """Return status and JSON of an answer that is 200, or the 404 by which Yahoo says that it has no such symbol.

        yfinance's own methods on options and quotes do not look at the status: a refusal reads as a symbol without
        options. Only to be called while `opened`.

        Raises:
            SourceUnavailable: any other answer, or none.
        """
        from curl_cffi.requests import RequestsError
        from yfinance.data import YfData
        from yfinance.exceptions import YFException

        try:
            response = YfData(session=self.session).get(HOST + path, params=dict(parameters))
            status = int(response.status_code)
            if status in (HTTPStatus.OK, HTTPStatus.NOT_FOUND):
                return status, response.json()
            why = f"{status}" + (", it refuses us" if status in (401, 403) else "")
        except (YFException, RequestsError, OSError, *BROKEN) as exc:
            why = f"{type(exc).__name__}: {' '.join(str(exc).split())[:300]}"
        raise SourceUnavailable(self.name, f"{path}: {why}")
