"""Lines out of bytes, and what is done with those that nobody understands."""

import logging
import re

from trading.errors import InvalidValue

log = logging.getLogger(__name__)

LINE_LIMIT = 64 * 1024  # bytes; the longest real line, a fundamental message, has less than 2,000
SHOWN = 120  # characters of a strange line in the log
_SYMBOL = re.compile(r"[!-+\-.-:<-`{-~]{1,40}")  # printable, without space, comma, semicolon and lower case


class Lines:
    """Puts lines together from the pieces in which bytes come.

    A line longer than LINE_LIMIT is left out and counted, and the stream goes on after its end.

    Attributes:
        too_long: how many lines were.
    """

    def __init__(self) -> None:
        self.too_long = 0
        self._rest = b""
        self._skipping = False

    def feed(self, piece: bytes) -> list[str]:
        """Return the lines that are whole now, without line ends and empty ones."""
        whole, newline, rest = (self._rest + piece).rpartition(b"\n")
        self._rest = rest
        if self._skipping or len(whole) > LINE_LIMIT:
            found = [line for raw in whole.split(b"\n") if (line := self._line(raw))] if newline else []
        else:  # none can be too long; five times as fast
            found = [line for raw in whole.decode("latin-1").split("\n") if (line := raw.strip())]
        if len(self._rest) > LINE_LIMIT:
            self.too_long += not self._skipping
            self._skipping, self._rest = True, b""
        return found

    def _line(self, raw: bytes) -> str:
        if self._skipping:
            self._skipping = False
            return ""
        if len(raw) > LINE_LIMIT:
            self.too_long += 1
            return ""
        return raw.decode("latin-1").strip()


class Strange:
    """Counts lines that are not understood, and logs the 1st, 2nd, 4th, 8th, ... of them.

    Attributes:
        count: how many there were.
    """

    def __init__(self, where: str) -> None:
        self.count = 0
        self._where = where

    def add(self, line: str, why: str) -> None:
        """Count a line."""
        self.count += 1
        if self.count & (self.count - 1) == 0:
            log.warning("%s: line %r left out, %s; %d so far", self._where, line[:SHOWN], why, self.count)


def wire_symbol(symbol: str) -> str:
    """Return the symbol, which is also how it is asked for.

    Raises:
        InvalidValue: it would be another command, or come back spelled otherwise.
    """
    if not _SYMBOL.fullmatch(symbol):
        rule = "1 to 40 printable characters as IQFeed spells it: upper case, without space, comma and semicolon"
        raise InvalidValue("symbol", symbol, rule)
    return symbol
