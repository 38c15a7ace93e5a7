"""Lookup: history and headlines, each request with an id of its own and an end."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

from iqfeed_server import wire
from iqfeed_server.client import Client
from iqfeed_server.faults import Fault, Port
from iqfeed_server.market import BEGINS, Bar, labelled_by_end, newest

if TYPE_CHECKING:
    from iqfeed_server.server import IqfeedServer

END, NO_DATA, SYNTAX_ERROR = "!ENDMSG!,", "!NO_DATA!,", "!SYNTAX_ERROR!,"
INVALID_SYMBOL = "Invalid symbol.,"
OLDEST_FIRST = "1"


class BadRequest(Exception):
    """A request cannot be answered with rows."""


class Lookup:
    """What one client of port 9100 is answered."""

    def __init__(self, server: "IqfeedServer", client: Client) -> None:
        self._server, self._client = server, client

    async def greet(self) -> None:
        """Say nothing: the lookup port waits to be asked."""

    async def answer(self, command: list[str]) -> None:
        """Obey one command."""
        if command[:2] == ["S", "SET PROTOCOL"]:
            await self._client.tell([f"S,CURRENT PROTOCOL,{self._server.settings.protocol}"])
            return
        request_id = ""
        try:
            request_id, rows = self._rows(command)
            lines = [*rows, END] if not self._strikes(Fault.NO_END) else rows
        except BadRequest as exc:
            request_id, error = exc.args
            lines = [f"E,{error}", *([END] if self._server.settings.end_after_error else [])]
        except (ValueError, IndexError):  # fields that are missing, or no numbers
            lines = [f"E,{SYNTAX_ERROR}"]
        if self._strikes(Fault.WRONG_ID):
            request_id = f"{request_id}X"
        await self._client.tell(f"{request_id},{line}" if request_id else line for line in lines)

    def _rows(self, command: list[str]) -> tuple[str, list[str]]:
        """Return the request id and the rows.

        Raises:
            BadRequest: with the id and what is said instead.
            ValueError, IndexError: it is no request.
        """
        request, *terms = command
        terms += [""] * 10
        match request:
            case "HDX":
                symbol, count, direction, request_id = terms[:4]
                bars = self._days(symbol, BEGINS, self._server.now().date(), count, direction, request_id)
            case "HDT":
                symbol, begins, ends, count, direction, request_id = terms[:6]
                first, last = _day(begins) or BEGINS, _day(ends) or self._server.now().date()
                bars = self._days(symbol, first, last, count, direction, request_id)
            case "HIT":
                return terms[8], self._minutes(terms)
            case "NHL":
                return terms[5], self._headlines(terms)
            case _:
                raise ValueError(request)
        return request_id, [wire.day_row(bar) for bar in bars]

    def _days(self, symbol: str, first: date, last: date, count: str, direction: str, request_id: str) -> list[Bar]:
        self._require(symbol, request_id)
        bars = newest(self._server.market.days(symbol.upper(), first, last), int(count or 0))
        return self._ordered(bars, direction == OLDEST_FIRST, request_id)

    def _minutes(self, terms: Sequence[str]) -> list[str]:
        """Answer HIT: symbol, seconds, begin, end, count, daily begin and end, direction, id, per send, type, label."""
        symbol, request_id = terms[0], terms[8]
        self._require(symbol, request_id)
        if terms[1] != "60":
            raise BadRequest(request_id, "This server has minutes only.,")
        bars = self._server.market.minutes(symbol.upper(), _moment(terms[2]), _moment(terms[3]))
        if terms[11] != "1":
            bars = [labelled_by_end(bar, 60) for bar in bars]
        rows = self._ordered(newest(bars, int(terms[4] or 0)), terms[7] == OLDEST_FIRST, request_id)
        return [wire.minute_row(bar, bar.volume) for bar in rows]

    def _headlines(self, terms: Sequence[str]) -> list[str]:
        """Answer NHL: sources, symbols, format, limit, day, id."""
        symbols = [symbol for symbol in terms[1].upper().split(";") if symbol] or self._server.market.symbols
        day, request_id = _day(terms[4]) or self._server.now().date(), terms[5]
        known = [symbol for symbol in symbols if self._server.market.knows(symbol)]
        stories = [story for symbol in known for story in self._server.market.stories(symbol, day)]
        if self._strikes(Fault.ERROR):
            raise BadRequest(request_id, "Could not connect to News socket.,")
        if not stories:
            raise BadRequest(request_id, NO_DATA)
        newest_first = sorted(stories, key=lambda story: story.at, reverse=True)
        return [wire.headline(story) for story in newest_first[: int(terms[3] or 0) or None]]

    def _require(self, symbol: str, request_id: str) -> None:
        if self._strikes(Fault.ERROR):
            raise BadRequest(request_id, "Could not connect to History socket.,")
        if not self._server.market.knows(symbol.upper()):
            raise BadRequest(request_id, INVALID_SYMBOL)

    def _ordered(self, bars: list[Bar], oldest_first: bool, request_id: str) -> list[Bar]:
        if not bars:
            raise BadRequest(request_id, NO_DATA)
        return bars if oldest_first != self._strikes(Fault.WRONG_ORDER) else bars[::-1]

    def _strikes(self, fault: Fault) -> bool:
        return self._server.faults.strikes(fault, Port.LOOKUP)


def _day(text: str) -> date | None:
    return _moment(f"{text} 000000").date() if text else None


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%d %H%M%S")  # noqa: DTZ007 - New York, as all times here
