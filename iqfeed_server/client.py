"""One socket of a client: commands come in as lines, and lines go out as the faults let them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

from iqfeed_server.faults import Fault, Faults, Port

GARBAGE = b"\x00\xff\xfe not a message \x80\r\n,,,,\r\nQ\r\nP,\r\n"
LONG_LINE = b"Q," + b"9" * 1_000_000 + b"\r\n"
LATE = 0.05  # s


class Client:
    """A connected client.

    Attributes:
        port: on which it came.
        watched: symbols, and how.
    """

    def __init__(self, port: Port, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, faults: Faults) -> None:
        self.port, self._reader, self._writer, self._faults = port, reader, writer, faults
        self.watched: dict[str, str] = {}
        self._one_at_a_time = asyncio.Lock()

    async def commands(self) -> AsyncIterator[list[str]]:
        """Give each command as its fields, until the client has gone."""
        with contextlib.suppress(ConnectionError, ValueError):  # ValueError: a command longer than the buffer
            while line := await self._reader.readline():
                text = line.decode("latin-1").strip()
                if text and not self._faults.strikes(Fault.SILENT, self.port):
                    yield text.split(",")

    async def tell(self, lines: Iterable[str]) -> None:
        """Send lines."""
        async with self._one_at_a_time:
            if not self._faults:
                self._writer.write("".join(f"{line}\r\n" for line in lines).encode("latin-1"))
            else:
                for line in lines:
                    await self._tell_with_faults(f"{line}\r\n".encode("latin-1"))
            with contextlib.suppress(ConnectionError):
                await self._writer.drain()

    async def send(self, raw: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(raw)
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    async def _tell_with_faults(self, line: bytes) -> None:
        if self._writer.is_closing():
            return
        if self._strikes(Fault.GARBAGE):
            self._writer.write(GARBAGE)
        if self._strikes(Fault.LONG_LINE):
            self._writer.write(LONG_LINE)
        if self._strikes(Fault.SLOW):
            await asyncio.sleep(LATE)
        if self._strikes(Fault.DROP_MID_LINE):
            await self.send(line[: len(line) // 2])
            self.close()
        elif self._strikes(Fault.HALF_LINES):
            await self.send(line[: len(line) // 2])
            await asyncio.sleep(0)
            await self.send(line[len(line) // 2 :])
        else:
            self._writer.write(line)

    def _strikes(self, fault: Fault) -> bool:
        return self._faults.strikes(fault, self.port)

    def close(self) -> None:
        """Close the socket."""
        self._writer.close()

    async def closed(self) -> None:
        """Wait until it is closed."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
