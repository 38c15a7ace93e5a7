"""Requests to the lookup port: each has an id, which every line of its answer begins with, and an end.

Source: `ID,...`, `ID,!ENDMSG!,`, `ID,E,!NO_DATA!,` and `ID,E,Invalid symbol.,` as recorded in
github.com/arnonmoscona/iqfeed and github.com/mathpaquette/IQFeed.CSharpApiClient. They disagree on whether an error is
ended too, so an error is taken for the end, and what comes under an older id is left out.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from adapters.iqfeed.connection import CURRENT_PROTOCOL
from adapters.iqfeed.iqfeed_settings import NAME, PROTOCOL, IqfeedSettings
from adapters.iqfeed.line_socket import LineSocket, open_line_socket
from adapters.iqfeed.lines import SHOWN, Strange
from trading.errors import SourceUnavailable

END, ERROR, NO_DATA, INVALID_SYMBOL = "!ENDMSG!", "E", "!NO_DATA!", "Invalid symbol"
ID = "OB"
LINE_COUNT_LIMIT = 5_000_000  # a year of one symbol's minutes, extended hours included, is 250,000


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupAnswer:
    """What was answered.

    Attributes:
        rows: without the request id.
        error: what IQConnect says is wrong; empty when nothing is.
    """

    rows: Sequence[str]
    error: str = ""

    @property
    def has_no_data(self) -> bool:
        """Tell whether there is nothing of what was asked."""
        return self.error == NO_DATA or not (self.rows or self.error)

    @property
    def is_of_unknown_symbol(self) -> bool:
        """Tell whether the symbol is not known."""
        return self.error.startswith(INVALID_SYMBOL)


class Lookup:
    """One connection to the lookup port, asked one thing after the other."""

    def __init__(self, lines: LineSocket) -> None:
        self._lines, self._asked, self._strange = lines, 0, Strange(f"{NAME} lookup")

    def ask(self, terms: Sequence[str], *more: str) -> LookupAnswer:
        """Return the answer to a request.

        Args:
            terms: the request without its id.
            more: what comes after the id.

        Raises:
            SourceUnavailable: it is not answered, or not to its end.
        """
        self._asked += 1
        request_id = f"{ID}{self._asked:06d}"
        self._lines.send([",".join([*terms, request_id, *more])])
        rows: list[str] = []
        for _ in range(LINE_COUNT_LIMIT):
            line = self._lines.line()
            owner, _, row = line.partition(",")
            if owner == request_id:
                if row.startswith(END):
                    return LookupAnswer(rows=rows)
                if row.startswith(f"{ERROR},"):
                    return LookupAnswer(rows=(), error=row.split(",")[1].strip())
                rows.append(row)
            elif line.startswith(f"{ERROR},"):
                raise SourceUnavailable(NAME, f"asked {terms[0]}, IQConnect says {line[:SHOWN]!r}")
            elif not owner.startswith(ID):
                self._strange.add(line, "it belongs to no request")
        raise SourceUnavailable(NAME, f"an answer to {terms[0]} of more than {LINE_COUNT_LIMIT:,} lines")


@contextmanager
def open_lookup(settings: IqfeedSettings) -> Iterator[Lookup]:
    """Connect to the lookup port and agree on the protocol.

    Raises:
        SourceUnavailable: nothing listens there, or it speaks another protocol.
    """
    with open_line_socket(settings, settings.lookup_port) as lines:
        lines.send([f"S,SET PROTOCOL,{PROTOCOL}"])
        said = lines.line()
        while not said.startswith((CURRENT_PROTOCOL, f"{ERROR},")):
            said = lines.line()
        if said.rstrip(",") != f"{CURRENT_PROTOCOL}{PROTOCOL}":
            raise SourceUnavailable(NAME, f"IQConnect says {said[:SHOWN]!r}, and not {PROTOCOL}; update it")
        yield Lookup(lines)
