"""Alpaca on loopback: its market data over HTTP and its stream of quotes, in its own formats, with levers for faults.

Source: docs.alpaca.markets/reference/stockbars, stocksnapshots, optionchain, news, corporateactions-1 and
get-options-contracts; docs.alpaca.markets/docs/streaming-market-data; the example answers in the tests of
github.com/alpacahq/alpaca-py.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import msgpack
from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from werkzeug import Request, Response

from adapters.alpaca_access import AlpacaAccess, AlpacaFeed
from adapters.request_budget import RequestBudget

KEY, SECRET = "PKQ7XK9SECRET0V", "s3cretOfTheDesk/81+x"
SYMBOL = re.compile(r"[A-Z]+(\.[A-Z]+)?")

# Apple on the tape: 0.82 for each old share on 2020-08-07, paid on the 13th; four new shares for one on 2020-08-31.
APPLE = [
    {"t": "2020-08-06T04:00:00Z", "o": 441.62, "h": 457.65, "l": 439.19, "c": 455.61, "v": 50607200},
    {"t": "2020-08-07T04:00:00Z", "o": 452.82, "h": 454.7, "l": 441.17, "c": 444.45, "v": 49511400},
    {"t": "2020-08-27T04:00:00Z", "o": 508.57, "h": 509.94, "l": 495.33, "c": 500.04, "v": 38888100},
    {"t": "2020-08-28T04:00:00Z", "o": 504.05, "h": 505.77, "l": 498.31, "c": 499.23, "v": 46907500},
    {"t": "2020-08-31T04:00:00Z", "o": 127.58, "h": 131.0, "l": 126.0, "c": 129.04, "v": 225702700},
    {"t": "2020-09-01T04:00:00Z", "o": 132.76, "h": 134.8, "l": 130.53, "c": 134.18, "v": 151948100},
]
APPLE_ACTIONS = {
    "forward_splits": [
        {
            "symbol": "AAPL",
            "new_rate": 4,
            "old_rate": 1,
            "process_date": "2020-08-31",
            "ex_date": "2020-08-31",
            "record_date": "2020-08-24",
            "payable_date": "2020-08-28",
        }
    ],
    "cash_dividends": [
        {
            "symbol": "AAPL",
            "rate": 0.82,
            "special": False,
            "foreign": False,
            "process_date": "2020-08-13",
            "ex_date": "2020-08-07",
            "record_date": "2020-08-10",
            "payable_date": "2020-08-13",
        }
    ],
}


def a_snapshot(
    bid: Any = 161.19, ask: Any = 161.2, last: Any = 161.1998, at: str = "2022-03-18T14:33:58.547942Z"
) -> dict[str, Any]:
    """Return a snapshot as in the tests of alpaca-py, test_historical_stock_data.py."""
    return {
        "latestTrade": {
            "t": "2022-03-18T14:33:58.448432206Z",
            "x": "D",
            "p": last,
            "s": 200,
            "c": ["@"],
            "i": 39884,
            "z": "C",
        },
        "latestQuote": {
            "t": at,
            "ax": "K",
            "ap": ask,
            "as": 2,
            "bx": "K",
            "bp": bid,
            "bs": 5,
            "c": ["R"],
            "z": "C",
        },
        "dailyBar": {"t": "2022-03-18T04:00:00Z", "o": 160.59, "h": 161.92, "l": 159.76, "c": 161.365, "v": 31749988},
    }


@dataclass
class AlpacaServer:
    """Alpaca's market data over HTTP.

    Attributes:
        asked: path and parameters of each request, in order.
        page_size: the most entries of a page, whatever is asked for.
        forbids: every request is refused as if the keys were wrong, and the answer repeats them.
    """

    http: HTTPServer
    bars: dict[str, Any] = field(default_factory=dict)
    snapshots: dict[str, Any] = field(default_factory=dict)
    actions: Mapping[str, Any] = field(default_factory=dict)
    contracts: list[dict[str, Any]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    news: list[dict[str, Any]] = field(default_factory=list)
    page_size: int = 10_000
    forbids: bool = False
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    _instead: dict[str, Response] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.http.expect_request(re.compile(".*")).respond_with_handler(self._answer)

    def answers(self, path: str, body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Answer so from now on to what is asked under a path."""
        text = body if isinstance(body, str | bytes) else json.dumps(body)
        self._instead[path] = Response(text, status, headers, content_type="application/json")

    def answers_as_usual(self) -> None:
        """Answer to everything from what there is."""
        self._instead.clear()

    def access(self, folder: Path, *, key: str = KEY, **settings: Any) -> AlpacaAccess:
        """Return the way to here, with a budget of its own."""
        address = self.http.url_for("").rstrip("/")
        return AlpacaAccess(
            **{
                "api_key": SecretStr(key),
                "api_secret": SecretStr(SECRET),
                "base_url": address,
                "trading_url": address,
                "budget": RequestBudget(folder / "requests", limit=3000, seconds=60),
                **settings,
            }
        )

    def _answer(self, request: Request) -> Response:
        arguments = request.args.to_dict()
        self.asked.append((request.path, arguments))
        if self.forbids or (request.headers.get("APCA-API-KEY-ID"), request.headers.get("APCA-API-SECRET-KEY")) != (
            KEY,
            SECRET,
        ):
            sent = [request.headers.get(f"APCA-API-{name}") for name in ("KEY-ID", "SECRET-KEY")]
            return _json({"message": f"forbidden. {sent}"}, 403)
        for path, instead in self._instead.items():
            if request.path.startswith(path):
                return Response(instead.get_data(), instead.status_code, dict(instead.headers))
        symbols = arguments.get("symbols", "").split(",") if arguments.get("symbols") else []
        for symbol in symbols:
            if not SYMBOL.fullmatch(symbol):
                return _json({"message": f"invalid symbol: {symbol}"}, 400)
        for pattern, answer in self._routes().items():
            if found := re.fullmatch(pattern, request.path):
                return answer(arguments, [*symbols, *found.groups()])
        return _json({"message": "endpoint not found."}, 404)

    def _routes(self) -> dict[str, Callable[[dict[str, str], list[str]], Response]]:
        return {
            "/v2/stocks/bars": self._bars,
            "/v2/stocks/bars/latest": lambda _, symbols: _json(
                {"bars": {s: self.bars[s][-1] for s in symbols if s in self.bars}}
            ),
            "/v2/stocks/snapshots": lambda _, symbols: _json({s: self.snapshots.get(s) for s in symbols}),
            "/v2/stocks/trades/latest": lambda _, symbols: _json(
                {"trades": {s: self.snapshots[s]["latestTrade"] for s in symbols if s in self.snapshots}}
            ),
            "/v1/corporate-actions": self._actions,
            "/v2/options/contracts": self._contracts,
            "/v1beta1/options/snapshots/(.+)": self._options,
            "/v1beta1/news": self._news,
        }

    def _bars(self, arguments: dict[str, str], symbols: list[str]) -> Response:
        if odd := {s: self.bars[s] for s in symbols if s in self.bars and not _is_bars(self.bars[s])}:
            good = {s: self.bars[s] for s in symbols if s in self.bars}
            return _json({"bars": good | odd, "next_page_token": None})
        start, end = (datetime.fromisoformat(arguments[name]) for name in ("start", "end"))
        rows = [
            (symbol, bar)
            for symbol in sorted(symbols)
            for bar in self.bars.get(symbol, [])
            if not _is_time(bar.get("t")) or start <= datetime.fromisoformat(bar["t"]) <= end
        ]
        page, token = self._page(rows, arguments)
        bars: dict[str, list[Any]] = {}
        for symbol, bar in page:
            bars.setdefault(symbol, []).append(bar)
        return _json({"bars": bars, "next_page_token": token})

    def _actions(self, arguments: dict[str, str], symbols: list[str]) -> Response:
        """Select by the day of processing, as Alpaca does."""
        rows = [
            (f"{kind}s", entry)
            for kind in arguments["types"].split(",")
            for entry in self.actions.get(f"{kind}s", [])
            if entry.get("symbol") in symbols and arguments["start"] <= entry["process_date"] <= arguments["end"]
        ]
        page, token = self._page(rows, arguments)
        found: dict[str, list[Any]] = {}
        for kind, entry in page:
            found.setdefault(kind, []).append(entry)
        return _json({"corporate_actions": found, "next_page_token": token})

    def _contracts(self, arguments: dict[str, str], _: list[str]) -> Response:
        rows = [
            contract
            for contract in self.contracts
            if contract["underlying_symbol"] == arguments["underlying_symbols"]
            and arguments["expiration_date_gte"] <= contract["expiration_date"] <= arguments["expiration_date_lte"]
        ]
        page, token = self._page(rows, arguments)
        return _json({"option_contracts": page, "next_page_token": token})

    def _options(self, arguments: dict[str, str], symbols: list[str]) -> Response:
        rows = [(code, shown) for code, shown in self.options.items() if code.startswith(symbols[-1])]
        page, token = self._page(rows, arguments)
        return _json({"snapshots": dict(page), "next_page_token": token})

    def _news(self, arguments: dict[str, str], symbols: list[str]) -> Response:
        """Select and sort by the day of the last change, as Alpaca does."""
        start, end = (datetime.fromisoformat(arguments[name]) for name in ("start", "end"))
        rows = [
            article
            for article in self.news
            if (not symbols or {*symbols} & {*article["symbols"]})
            and start <= datetime.fromisoformat(article["updated_at"]) <= end
        ]
        page, token = self._page(rows, arguments)
        return _json({"news": page, "next_page_token": token})

    def _page(self, rows: Sequence[Any], arguments: dict[str, str]) -> tuple[list[Any], str | None]:
        start = int(base64.b64decode(arguments.get("page_token") or "MA=="))
        stop = start + min(int(arguments.get("limit", 1000)), self.page_size)
        token = base64.b64encode(str(stop).encode()).decode() if stop < len(rows) else None
        return list(rows[start:stop]), token


class AlpacaStream:
    """Alpaca's stream of quotes.

    Attributes:
        limit: the most channels a connection may have: one for the quotes of a symbol, and one for its trades.
        connections: how many were made.
        subscriptions: how often was subscribed.
        subscribed: the symbols whose quotes the connection there is has.
        subscribed_trades: those whose trades it has.
        refuses: how to answer to the keys instead of taking them: code and message.
        silent: it takes connections and says nothing.
        away: it closes every connection at once.
    """

    def __init__(self) -> None:
        self.limit, self.connections, self.subscriptions = 30, 0, 0
        self.subscribed = self.subscribed_trades = frozenset[str]()
        self.refuses: tuple[int, str] | None = None
        self.silent = self.away = False
        self._open: set[ServerConnection] = set()
        self._server: Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await serve(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close(close_connections=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """Return where it is, without the path of the feed."""
        assert self._server is not None
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def access(self, folder: Path, *, feed: AlpacaFeed = AlpacaFeed.IEX, **settings: Any) -> AlpacaAccess:
        """Return the way to here."""
        return AlpacaAccess(
            **{
                "api_key": SecretStr(KEY),
                "api_secret": SecretStr(SECRET),
                "stream_url": self.url,
                "feed": feed,
                "timeout": timedelta(seconds=5),
                "budget": RequestBudget(folder / "stream-requests", limit=3000, seconds=60),
                **settings,
            }
        )

    async def quote(self, symbol: str, bid: Any, ask: Any, at: datetime | None = None) -> None:
        """Send a quote to all."""
        sent_at = msgpack.Timestamp.from_datetime(at or datetime.now(UTC))
        quote = {"T": "q", "S": symbol, "bx": "U", "bp": bid, "bs": 1, "ax": "Q", "ap": ask, "as": 4, "t": sent_at}
        await self.send([quote | {"c": ["R"], "z": "C"}])

    async def trade(self, symbol: str, px: Any, size: Any, at: datetime | None = None) -> None:
        """Send a trade to all, as in docs.alpaca.markets/docs/real-time-stock-pricing-data."""
        sent_at = msgpack.Timestamp.from_datetime(at or datetime.now(UTC))
        trade = {"T": "t", "i": 96921, "S": symbol, "x": "D", "p": px, "s": size, "t": sent_at}
        await self.send([trade | {"c": ["@", "I"], "z": "C"}])

    async def send(self, message: Any) -> None:
        """Send anything to all."""
        for connection in tuple(self._open):
            await connection.send(message if isinstance(message, str | bytes) else msgpack.packb(message))

    def cut(self) -> None:
        """Cut all connections, without a word."""
        for connection in tuple(self._open):
            connection.transport.abort()
        self._open.clear()
        self.subscribed = self.subscribed_trades = frozenset()

    async def _serve(self, connection: ServerConnection) -> None:
        self.connections += 1
        if self.away:
            connection.transport.abort()
            return
        try:
            await self._talk(connection)
        except ConnectionClosed:
            return
        finally:
            self._open.discard(connection)

    async def _talk(self, connection: ServerConnection) -> None:
        if self.silent:
            await connection.wait_closed()
            return
        await _tell(connection, T="success", msg="connected")
        sent = msgpack.unpackb(await connection.recv())
        if self.refuses is not None:
            await _tell(connection, T="error", code=self.refuses[0], msg=self.refuses[1])
            return
        if sent != {"action": "auth", "key": KEY, "secret": SECRET}:
            await _tell(connection, T="error", code=402, msg=f"auth failed {sent}")
            return
        await _tell(connection, T="success", msg="authenticated")
        self._open.add(connection)
        had = {"quotes": frozenset[str](), "trades": frozenset[str]()}
        async for message in connection:
            asked = msgpack.unpackb(message)
            is_more = asked["action"] == "subscribe"
            self.subscriptions += is_more
            named = {channel: frozenset(asked.get(channel, ())) for channel in had}
            wanted = {c: had[c] | named[c] if is_more else had[c] - named[c] for c in had}
            if sum(map(len, wanted.values())) > self.limit:
                await _tell(connection, T="error", code=405, msg="symbol limit exceeded")
                continue
            had = wanted
            self.subscribed, self.subscribed_trades = had["quotes"], had["trades"]
            await _tell(connection, T="subscription", bars=[], **{c: sorted(names) for c, names in had.items()})


async def _tell(connection: ServerConnection, **message: Any) -> None:
    await connection.send(msgpack.packb([message]))


def _json(answer: Any, status: int = 200) -> Response:
    return Response(json.dumps(answer), status, content_type="application/json")


def _is_bars(bars: Any) -> bool:
    return isinstance(bars, list) and all(isinstance(bar, dict) for bar in bars)


def _is_time(text: Any) -> bool:
    return isinstance(text, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", text) is not None
