"""A blocking socket to a port of IQConnect, for what is asked and answered."""

import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from adapters.iqfeed.iqfeed_settings import NAME, IqfeedSettings
from adapters.iqfeed.lines import Lines
from trading.errors import SourceUnavailable

PIECE = 1 << 16  # bytes


class LineSocket:
    """Lines sent, and lines received; each line within `answer_seconds`."""

    def __init__(self, connected: socket.socket, where: str, patience: float) -> None:
        self._socket, self._where, self._patience = connected, where, patience
        self._lines, self._ready = Lines(), deque[str]()

    def send(self, lines: Iterable[str]) -> None:
        """Send lines.

        Raises:
            SourceUnavailable: they cannot be sent.
        """
        try:
            self._socket.sendall("".join(f"{line}\r\n" for line in lines).encode("latin-1"))
        except OSError as exc:
            raise self._unavailable(str(exc)) from exc

    def line(self) -> str:
        """Return the next line.

        Raises:
            SourceUnavailable: none came in time, the connection ended, or a line is too long to be one.
        """
        deadline = time.monotonic() + self._patience
        while not self._ready:
            left = deadline - time.monotonic()
            if left <= 0:
                raise self._unavailable(f"no line in {self._patience:g} s")
            self._ready.extend(self._lines.feed(self._piece(left)))
            if self._lines.too_long:
                raise self._unavailable("it sends a line that does not end")
        return self._ready.popleft()

    def _piece(self, seconds: float) -> bytes:
        self._socket.settimeout(seconds)
        try:
            piece = self._socket.recv(PIECE)
        except TimeoutError as exc:
            raise self._unavailable(f"no line in {self._patience:g} s") from exc
        except OSError as exc:
            raise self._unavailable(str(exc)) from exc
        if not piece:
            raise self._unavailable("it has closed the connection")
        return piece

    def _unavailable(self, why: str) -> SourceUnavailable:
        return SourceUnavailable(NAME, f"{self._where}: {why}")


@contextmanager
def open_line_socket(settings: IqfeedSettings, port: int) -> Iterator[LineSocket]:
    """Connect to a port of IQConnect.

    Raises:
        SourceUnavailable: nothing listens there.
    """
    where = f"IQConnect at {settings.host}:{port}"
    try:
        connected = socket.create_connection((settings.host, port), settings.answer_seconds)
    except OSError as exc:
        raise SourceUnavailable(NAME, f"{where}: {exc}; is it running and logged in?") from exc
    with connected:
        yield LineSocket(connected, where, settings.answer_seconds)
