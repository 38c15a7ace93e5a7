"""The journal: things heard are written down in the order they came, off the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from adapters.ib.heard import Heard
from adapters.ib.records import Records
from trading.errors import LedgerUnavailable
from trading.orders.executions import ExecutionReport

T = TypeVar("T")


class Journal:
    """Writes what was heard, in batches; what cannot be written is kept and tried again at the next call.

    Args:
        on_written: is given the reports that were news.
    """

    def __init__(self, records: Records, on_written: Callable[[Sequence[ExecutionReport]], None]) -> None:
        self.records, self._on_written = records, on_written
        self._queue: list[Heard] = []
        self._lock = asyncio.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ib-journal")
        self._writing: asyncio.Task[None] | None = None

    def put(self, heard: Heard) -> None:
        """Take one to be written soon."""
        self._queue.append(heard)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_soon())

    async def settled(self) -> None:
        """Write all that was taken so far.

        Raises:
            LedgerUnavailable: the database refused; nothing is lost, ask again.
        """
        async with self._lock:
            while self._queue:
                batch = tuple(self._queue)
                written = await self.run(lambda batch=batch: self.records.add(batch))  # type: ignore[misc]  # bound now
                del self._queue[: len(batch)]
                self._on_written(written)

    async def run(self, work: Callable[[], T]) -> T:
        """Do some work with the database off the loop, one after the other."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self) -> None:
        """Write what is left, if the database takes it, and end the thread."""
        await self._write_soon()
        await asyncio.to_thread(self._thread.shutdown)

    async def _write_soon(self) -> None:
        try:
            await self.settled()
        except LedgerUnavailable:
            return  # kept; whoever asks next is told
