"""Yahoo's chart endpoint on loopback, in a process of its own: bodies made up once, and every request counted."""

import json
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from benchmarks.markets import make_market

NAME = "S0000"  # stands in each body for the symbol asked
CHART = "/v8/finance/chart/"
_OPEN = 14 * 3600 + 1800  # s after midnight UTC; 9:30 in New York in winter


def bodies(count: int, sessions: int, seed: int) -> list[bytes]:
    """Return charts of so many symbols over the sessions that end with the market's last."""
    market = make_market(count, sessions, seed)
    stamps = [int(day) for day in market.sessions.astype("datetime64[s]").astype("int64") + _OPEN]
    meta = {
        "currency": "USD",
        "symbol": NAME,
        "instrumentType": "EQUITY",
        "exchangeTimezoneName": "America/New_York",
        "timezone": "EST",
        "gmtoffset": -18_000,
        "firstTradeDate": stamps[0],
        "regularMarketTime": stamps[-1],
        "currentTradingPeriod": {
            name: {"timezone": "EST", "start": stamps[-1], "end": stamps[-1] + 23_400, "gmtoffset": -18_000}
            for name in ("pre", "regular", "post")
        },
        "dataGranularity": "1d",
        "range": "",
        "validRanges": ["1d", "max"],
    }
    made = []
    for at in range(count):
        opened, high, low, close, volume = (column[:, at].tolist() for column in market.columns)
        quote = {"open": opened, "high": high, "low": low, "close": close, "volume": [int(v) for v in volume]}
        indicators = {"quote": [quote], "adjclose": [{"adjclose": close}]}
        result = {"meta": meta, "timestamp": stamps, "indicators": indicators}
        made.append(json.dumps({"chart": {"error": None, "result": [result]}}).encode())
    return made


class Charts(BaseHTTPRequestHandler):
    """Answers with one of the bodies; `/asked` tells how often each symbol's bars were asked for."""

    protocol_version = "HTTP/1.1"
    made: list[bytes]
    asked: Counter[str]

    def do_GET(self) -> None:
        """Answer one request."""
        parts = urlsplit(self.path)
        if parts.path == "/asked":
            self._send(json.dumps(self.asked).encode())
        elif parts.path.startswith(CHART):
            symbol = parts.path.removeprefix(CHART)
            if "period1" in parse_qs(parts.query):  # yfinance asks for a time zone, too
                self.asked[symbol] += 1
            body = self.made[int(symbol[1:]) % len(self.made)]
            self._send(body.replace(NAME.encode(), symbol.encode(), 1))
        else:
            self._send(b"crumb")

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """A server whose clients may be killed."""

    def handle_error(self, *_: object) -> None:
        """Keep quiet."""


def main(count: str, sessions: str, seed: str) -> None:
    """Serve until killed."""
    Charts.made, Charts.asked = bodies(int(count), int(sessions), int(seed)), Counter()
    server = Server(("127.0.0.1", 0), Charts)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
