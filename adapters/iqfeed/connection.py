"""One TCP connection to a streaming port of IQConnect: made, kept alive, and made again when it is lost."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

from adapters.iqfeed.iqfeed_settings import NAME, PROTOCOL, IqfeedSettings
from adapters.iqfeed.lines import Lines
from trading.errors import SourceUnavailable

log = logging.getLogger(__name__)

PIECE = 1 << 16  # bytes
LONGEST_RETRY = 60.0  # s
CURRENT_PROTOCOL = "S,CURRENT PROTOCOL,"

Handshake = Sequence[tuple[str, str]]
PROTOCOL_HANDSHAKE: Handshake = ((f"S,SET PROTOCOL,{PROTOCOL}", CURRENT_PROTOCOL),)


class Refused(Exception):
    """IQConnect answered, and not as it must; the text says how."""


class Connection:
    """A stream of lines.

    Args:
        handshake: commands, each with how the line begins that confirms it; one after the other.
        heard: given the lines of each piece that came, also those of the handshake.
        ready: called after each handshake; what it sends is sent.
        lost: told why there is no stream any more.

    Attributes:
        lines: of the present connection.
    """

    def __init__(
        self,
        settings: IqfeedSettings,
        port: int,
        *,
        handshake: Handshake = PROTOCOL_HANDSHAKE,
        heard: Callable[[Sequence[str]], None],
        ready: Callable[[], None],
        lost: Callable[[str], None],
    ) -> None:
        self._settings, self._port, self._handshake = settings, port, handshake
        self._heard, self._ready, self._lost = heard, ready, lost
        self.lines = Lines()
        self._writer: asyncio.StreamWriter | None = None
        self._is_ready = False
        self._tried = asyncio.Event()  # set once the first attempt has ended, well or not
        self._why = "not connected yet"
        self._task: asyncio.Task[None] | None = None

    async def connected(self) -> None:
        """Return when there is a stream; the first call makes it, and from then on it is kept alive.

        Raises:
            SourceUnavailable: it cannot be had now.
        """
        if is_first := self._task is None:
            self._tried.clear()
            self._task = asyncio.create_task(self._keep_alive())
            self._task.add_done_callback(self._ended)
        await self._tried.wait()
        if not self._is_ready:
            why = self._why
            if is_first:
                await self.close()
            raise SourceUnavailable(NAME, why)

    def send(self, commands: Sequence[str]) -> None:
        """Send commands; without a stream they are not sent, and what `ready` sends stands for them."""
        if self._writer is not None:
            self._writer.write("".join(f"{command}\r\n" for command in commands).encode("latin-1"))

    async def close(self) -> None:
        """End the stream for good."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        self._is_ready = False

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Tell of a stream that ended by a fault of ours; it is made again when it is next asked for."""
        if not task.cancelled() and (exc := task.exception()) is not None:
            log.error("the stream of %s stopped", NAME, exc_info=exc)
            self._task = None
            self._told_lost(exc)

    async def _keep_alive(self) -> None:
        retry = self._settings.retry_seconds
        while True:
            try:
                await self._live()
            except (OSError, TimeoutError, EOFError, Refused) as exc:
                retry = self._settings.retry_seconds if self._is_ready else min(retry * 2, LONGEST_RETRY)
                self._told_lost(exc)
            await asyncio.sleep(retry)

    def _told_lost(self, exc: BaseException) -> None:
        where = f"IQConnect at {self._settings.host}:{self._port}"
        self._why = f"{where}: {exc}" if str(exc) else f"{where} does not answer in time"
        log.warning("%s", self._why)
        self._is_ready = False
        self._tried.set()
        self._lost(self._why)

    async def _live(self) -> None:
        """Connect, shake hands, and read until the stream is lost.

        Raises:
            OSError, TimeoutError, EOFError, Refused: it is.
        """
        deadline = asyncio.get_running_loop().time() + self._settings.answer_seconds
        async with asyncio.timeout_at(deadline):
            reader, self._writer = await asyncio.open_connection(self._settings.host, self._port)
        self.lines = Lines()
        try:
            async with asyncio.timeout_at(deadline):
                for command, confirmed in self._handshake:
                    self.send([command])
                    await self._confirm(reader, confirmed)
            self._is_ready = True
            self._tried.set()
            self._ready()
            while True:
                async with asyncio.timeout(self._settings.silent_seconds):
                    await self._read(reader)
        finally:
            self._writer.close()
            self._writer = None

    async def _confirm(self, reader: asyncio.StreamReader, confirmed: str) -> None:
        while True:
            for line in await self._read(reader):
                if line.startswith("E,"):
                    raise Refused(f"it says {line!r}")
                if line.startswith(CURRENT_PROTOCOL) and line.split(",")[2] != PROTOCOL:
                    raise Refused(f"it says {line!r}, and not {PROTOCOL}; update IQConnect")
                if line.startswith(confirmed):
                    return

    async def _read(self, reader: asyncio.StreamReader) -> Sequence[str]:
        piece = await reader.read(PIECE)
        if not piece:
            raise EOFError("it has closed the connection")
        lines = self.lines.feed(piece)
        self._heard(lines)
        return lines
