"""A made-up market at a Yahoo on loopback, which counts how often each symbol was asked for."""

from collections import Counter
from collections.abc import Collection
from datetime import date
from itertools import accumulate, cycle, islice

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.adapters.test_yahoo_bars import Yahoo, in_range
from trading.market.calendars import TradingCalendar

MOVES = (1.01, 1.02, 0.985, 0.99, 1.005)  # from close to close, again and again


class YahooMarket:
    """Symbols with a bar for each session of a range, but for those that a test takes away."""

    def __init__(self, server: HTTPServer, symbols: Collection[str], first: date, last: date) -> None:
        self.days = TradingCalendar("XNYS").sessions(first, last)
        self.missing: dict[str, set[date]] = {}
        self.broken: set[str] = set()
        self.asked: Counter[str] = Counter()  # requests for bars; yfinance also asks for a time zone now and then
        self.yahoo = Yahoo(server)
        self.url = server.url_for("")
        for symbol in symbols:
            self.yahoo.answers(symbol, self._answer)

    def _answer(self, request: Request) -> Response:
        symbol = request.path.rsplit("/", 1)[1]
        self.asked[symbol] += "period1" in request.args
        if symbol in self.broken:
            return Response("<html>", status=500)
        closes = accumulate(
            islice(cycle(MOVES), len(self.days) - 1), lambda px, move: round(px * move, 2), initial=80.0
        )
        gone = self.missing.get(symbol, set())
        rows = [(day, close) for day, close in zip(self.days, closes, strict=True) if day not in gone]
        days, prices = [day for day, _ in rows], [close for _, close in rows]
        return in_range(request, symbol=symbol, days=days, closes=prices, volumes=[1_000_000] * len(days))
