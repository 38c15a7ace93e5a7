"""Massive on loopback: the endpoints that we ask, in its own formats.

Source: massive.com/docs/rest, and the recorded answers of its client (github.com/massive-com/client-python,
test_rest/mocks). Refusals: 401 {"status": "ERROR", "error": "Unknown API Key"}, 403 {"status": "NOT_AUTHORIZED",
"message": ...}, 429 {"status": "ERROR", "error": "You've exceeded the maximum requests per minute, ..."}.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

NEW_YORK = ZoneInfo("America/New_York")
NEXT = "https://api.massive.com"  # where its next_url points, whoever stands between
REQUEST_ID = "6a7e466379af0a71039d60cc78e72282"
PRICES = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}

Tape = Sequence[Mapping[str, Any]]


def milliseconds(day: str) -> int:
    """Return the midnight in New York with which that day begins."""
    return int(datetime.combine(date.fromisoformat(day), datetime.min.time(), NEW_YORK).timestamp() * 1000)


def an_aggregate(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a bar as it is quoted; `day` may also be a number that is no midnight, or no number."""
    day = row["day"]
    at = milliseconds(day) if isinstance(day, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", day) else day
    return {short: row[name] for name, short in PRICES.items() if name in row} | {"vw": 127.5, "t": at, "n": 612345}


def aggregates(ticker: Any, rows: Tape, *, adjusted: bool = False, **more: Any) -> dict[str, Any]:
    """Return an answer of /v2/aggs; it has no `results` when there are none."""
    found = {"results": [an_aggregate(row) for row in rows]} if rows else {}
    return {
        "ticker": ticker,
        "queryCount": len(rows),
        "resultsCount": len(rows),
        "adjusted": adjusted,
        **found,
        "status": "OK",
        "request_id": REQUEST_ID,
        **more,
    }


def results(rows: Sequence[Any], **more: Any) -> dict[str, Any]:
    """Return an answer of the other endpoints."""
    return {"results": list(rows), "status": "OK", "request_id": REQUEST_ID, **more}


def an_error(status: int, said: str, name: str = "ERROR") -> Response:
    """Return a refusal."""
    told = {"status": name, "request_id": REQUEST_ID, "message" if name == "NOT_AUTHORIZED" else "error": said}
    return Response(json.dumps(told), status)


class MassiveServer:
    """Massive for one key.

    Args:
        page_size: how many results it gives at once, whatever limit it is asked for.

    Attributes:
        asked: path and parameters of each request, without the key.
        ignores_tickers: it tells the corporate actions of all, whoever is asked for.
    """

    def __init__(self, server: HTTPServer, key: str, page_size: int = 1000) -> None:
        self.server, self.page_size = server, page_size
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.delisted: set[str] = set()
        self.ignores_tickers = False
        self.news: list[dict[str, Any]] = []
        self.chains: dict[str, list[dict[str, Any]]] = {}
        self.snapshots: dict[str, dict[str, Any]] = {}
        self._key = key
        self._tapes: dict[str, Tape] = {}
        self._events: dict[str, list[dict[str, Any]]] = {"dividends": [], "splits": []}
        self._instead: dict[str, Response] = {}
        for path, answer in {
            r"/v2/aggs/ticker/(.+)/range/1/day/(.+)/(.+)": self._aggregates,
            r"/stocks/v1/(dividends|splits)": self._corporate_actions,
            r"/v3/reference/tickers": self._tickers,
            r"/v3/snapshot": self._snapshots,
            r"/v3/snapshot/options/(.+)": self._chain,
            r"/v2/reference/news": self._news,
        }.items():
            server.expect_request(re.compile(f"{path}$")).respond_with_handler(self._keyed(path, answer))

    def has(self, ticker: str, tape: Tape) -> None:
        """Have these bars, and the dividends and splits of their days."""
        self._tapes[ticker] = tape
        for kind, events in self._events.items():
            self._events[kind] = [event for event in events if event["ticker"] != ticker]
        for row in tape:
            day, paid, ratio = row["day"], row.get("dividend", 0.0), row.get("split", 1.0)
            if repr(paid) not in ("0", "0.0"):
                self.pays(ticker, day, paid)
            if repr(ratio) not in ("1", "1.0"):
                self.splits(ticker, day, 1, ratio)

    def pays(self, ticker: str, day: str, amount: Any, **more: Any) -> None:
        """Pay a dividend."""
        event = {
            "cash_amount": amount,
            "currency": "USD",
            "distribution_type": "recurring",
            "ex_dividend_date": day,
            "frequency": 4,
            "id": f"E{len(self._events['dividends'])}",
            "ticker": ticker,
        }
        self._events["dividends"].append(event | more)

    def splits(self, ticker: str, day: str, old: Any, new: Any) -> None:
        """Give `new` shares for `old` ones."""
        event = {
            "adjustment_type": "forward_split",
            "execution_date": day,
            "id": f"P{len(self._events['splits'])}",
            "split_from": old,
            "split_to": new,
            "ticker": ticker,
        }
        self._events["splits"].append(event)

    def answers(self, ticker: str, body: str, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Answer so when asked for the bars, the snapshot or the chain of a ticker, or for news of it."""
        self._instead[ticker] = Response(body, status, headers)

    def _keyed(self, path: str, answer: Callable[..., Response]) -> Callable[[Request], Response]:
        def respond(request: Request) -> Response:
            parameters = request.args.to_dict()
            if parameters.pop("apiKey", request.headers.get("Authorization", "").removeprefix("Bearer ")) != self._key:
                return an_error(401, "Unknown API Key")
            self.asked.append((request.path, parameters))
            found = re.fullmatch(path, request.path)
            return answer(parameters, *found.groups()) if found else an_error(404, "Resource not found")

        return respond

    def _aggregates(self, asked: Mapping[str, str], ticker: str, first: str, last: str) -> Response:
        if ticker in self._instead:
            return self._instead[ticker]
        # A cursor holds where to go on and no more: `adjusted` is true again unless it is asked for again.
        adjusted = asked.get("adjusted", "true") == "true"
        rows = sorted((r for r in self._tapes.get(ticker, ()) if first <= r["day"] <= last), key=lambda r: r["day"])
        page, more = self._page(asked, rows, f"/v2/aggs/ticker/{ticker}/range/1/day/{first}/{last}")
        return Response(json.dumps(aggregates(ticker, page, adjusted=adjusted, **more)))

    def _corporate_actions(self, asked: Mapping[str, str], kind: str) -> Response:
        day = {"dividends": "ex_dividend_date", "splits": "execution_date"}[kind]
        tickers = asked.get("ticker.any_of", "").split(",")
        found = [
            event
            for event in self._events[kind]
            if (self.ignores_tickers or event["ticker"] in tickers)
            and asked[f"{day}.gte"] <= event[day] <= asked[f"{day}.lte"]
        ]
        return Response(json.dumps(results(found)))

    def _tickers(self, asked: Mapping[str, str]) -> Response:
        ticker, active = asked["ticker"], asked.get("active", "true") == "true"
        listed = ticker in self._tapes and (ticker in self.delisted) != active
        return Response(json.dumps(results([{"ticker": ticker, "active": active, "locale": "us"}] if listed else [])))

    def _snapshots(self, asked: Mapping[str, str]) -> Response:
        tickers = asked["ticker.any_of"].split(",")
        if instead := [self._instead[ticker] for ticker in tickers if ticker in self._instead]:
            return instead[0]
        unknown = {"error": "NOT_FOUND", "message": "Ticker not found."}
        found = [self.snapshots.get(ticker, unknown | {"ticker": ticker}) for ticker in tickers]
        return Response(json.dumps(results(found[: int(asked["limit"])])))

    def _chain(self, asked: Mapping[str, str], underlying: str) -> Response:
        if underlying in self._instead:
            return self._instead[underlying]
        page, more = self._page(asked, self.chains.get(underlying, []), f"/v3/snapshot/options/{underlying}")
        return Response(json.dumps(results(page, **more)))

    def _news(self, asked: Mapping[str, str]) -> Response:
        ticker = asked.get("ticker", "")
        if ticker in self._instead:
            return self._instead[ticker]
        since, until = asked.get("published_utc.gte", ""), asked.get("published_utc.lte", "9")
        found = [
            n for n in self.news if (not ticker or ticker in n["tickers"]) and since <= n["published_utc"] <= until
        ]
        page, more = self._page(asked, found, "/v2/reference/news")
        return Response(json.dumps(results(page, count=len(page), **more)))

    def _page(self, asked: Mapping[str, str], rows: Sequence[Any], path: str) -> tuple[Sequence[Any], dict[str, str]]:
        start = int(base64.b64decode(asked["cursor"])) if "cursor" in asked else 0
        stop = start + self.page_size
        cursor = urlencode({"cursor": base64.b64encode(str(stop).encode()).decode()})
        return rows[start:stop], {"next_url": f"{NEXT}{path}?{cursor}"} if stop < len(rows) else {}
