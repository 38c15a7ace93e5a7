"""The tick record: every tick on the disk within the second, and in the store within the minute."""

import fcntl
import logging
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa

from adapters.parquet_files import make_folder, remove_file
from adapters.parquet_ticks import tick_schema
from trading.errors import StoreUnavailable
from trading.market.ticks import TickKind, Ticks, TickStore
from trading.monitoring.tick_batch import TickBatch

LOGGER = logging.getLogger(__name__)
_MINUTE_US = 60_000_000
_MOST_TICKS = 1 << 15  # in a file: what is put into the store at once is held in memory


class TickRecorder:
    """Writes the ticks of one feed as they are taken.

    A batch goes to a file of Arrow's stream format at once, synced to the disk. Once a minute, and in a flood sooner, a
    thread puts what has come into the store; nobody waits for it. What the store did not take is given to it again a
    minute later, and what a killed process left in such files when the next one starts: the store knows what it was
    given, so nothing is there twice.

    Args:
        folder: for the files of the minute under way.
        watched: the watch list, by whose places ticks name their symbols; it may grow, at its end.
        source: name of the feed.

    Attributes:
        recorded: how many ticks it has written.
    """

    def __init__(self, folder: Path, store: TickStore, *, watched: Sequence[str], source: str) -> None:
        self._folder, self._store, self._watched, self._source = folder, store, watched, source
        self._files: dict[TickKind, _TickFile] = {}
        self._names = pa.array(watched, pa.string())
        self._ends_at = 0
        self._storer = ThreadPoolExecutor(1, "tick-storer")
        self._storing: dict[Path, Future[int]] = {}
        self.recorded = 0

    def write(self, batch: TickBatch, now_us: int) -> None:
        """Write the ticks; when this returns, neither a kill nor a power cut can undo it.

        Raises:
            StoreUnavailable: they could not be written.
        """
        if now_us >= self._ends_at or any(file.ticks >= _MOST_TICKS for file in self._files.values()):
            self._hand_over()
            self._ends_at = (now_us // _MINUTE_US + 1) * _MINUTE_US
        if len(self._names) < len(self._watched):
            self._names = pa.array(self._watched, pa.string())
        for kind in TickKind:
            ticks = _record_batch(batch, kind, self._names)
            if ticks.num_rows:
                self._append(ticks, kind, now_us)

    def store(self) -> None:
        """Put all that has come into the store.

        Raises:
            StoreUnavailable: the store cannot be written; what has come stays on the disk, for the next time.
        """
        wait(self._storing.values())
        self._hand_over()
        for path, stored in tuple(self._storing.items()):
            stored.result()
            del self._storing[path]

    def _append(self, ticks: pa.RecordBatch, kind: TickKind, now_us: int) -> None:
        file = self._files.get(kind)
        if file is None:
            name = f"{self._source}.{kind}.{now_us}.{os.getpid()}.arrows"
            file = self._files[kind] = _TickFile(self._folder / name, kind)
        try:
            file.append(ticks)
        except StoreUnavailable:
            self._give(self._files.pop(kind))  # behind half a batch nothing more can be read in it
            raise
        self.recorded += ticks.num_rows

    def _hand_over(self) -> None:
        """Have what has come stored, and once more what could not be."""
        for path, stored in tuple(self._storing.items()):
            if stored.done():
                del self._storing[path]
                if (failed := stored.exception()) is not None:
                    LOGGER.error("Ticks wait on the disk, to be stored later: %s", failed)
                    self._storing[path] = self._storer.submit(_store, path, self._store)
        while self._files:
            self._give(self._files.popitem()[1])

    def _give(self, file: "_TickFile") -> None:
        file.close()
        self._storing[file.path] = self._storer.submit(_store, file.path, self._store)


def store_what_was_left(folder: Path, store: TickStore) -> int:
    """Put into the store what killed processes have left; return how many ticks it did not have yet."""
    return sum(_store(path, store) for path in sorted(folder.glob("*.arrows")) if not _is_being_written(path))


def _is_being_written(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


class _TickFile:
    """The newest ticks of one kind, on the disk."""

    def __init__(self, path: Path, kind: TickKind) -> None:
        self.path, self.ticks = path, 0
        try:
            make_folder(path.parent)
            self._file = path.open("xb")
            fcntl.flock(self._file, fcntl.LOCK_EX)  # a killed process gives it back
            self._stream = pa.ipc.new_stream(self._file, tick_schema(kind))
        except OSError as exc:
            raise StoreUnavailable(str(path), str(exc)) from exc

    def append(self, ticks: pa.RecordBatch) -> None:
        self.ticks += ticks.num_rows
        try:
            self._stream.write_batch(ticks)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as exc:
            raise StoreUnavailable(str(self.path), str(exc)) from exc

    def close(self) -> None:
        """Give it back; a second time does nothing."""
        if not self._file.closed:
            with suppress(OSError):  # all that can be lost here was never said to be written
                self._stream.close()
            with suppress(OSError):
                self._file.close()


def _record_batch(batch: TickBatch, kind: TickKind, names: pa.Array) -> pa.RecordBatch:
    """Return the ticks of a kind as the store has them; a frame of pandas on the way would take five times as long."""
    columns, schema = batch.columns(kind, len(names)), tick_schema(kind)
    told = {name: pa.array(np.ascontiguousarray(column), from_pandas=True) for name, column in columns.items()}
    told["symbol"] = names.take(told["symbol"])
    empty = pa.repeat(pa.scalar(""), len(told["symbol"]))
    return pa.RecordBatch.from_arrays(
        [told.get(column.name, empty).cast(column.type) for column in schema], schema=schema
    )


def _store(path: Path, store: TickStore) -> int:
    """Put a file's ticks into the store, and remove it."""
    source, kind, *_ = path.name.rsplit(".", 4)
    table = pa.Table.from_batches(_whole_batches(path), tick_schema(TickKind(kind)))
    stored = store.append(Ticks(frame=table.to_pandas(), kind=TickKind(kind), source=source)) if len(table) else 0
    remove_file(path)
    return stored


def _whole_batches(path: Path) -> list[pa.RecordBatch]:
    """Return the batches of a file; the last of a killed process may be half written, and was never acted upon."""
    batches: list[pa.RecordBatch] = []
    content = pa.BufferReader(path.read_bytes())  # in memory nothing can fail to be read but what is not there
    try:
        for batch in pa.ipc.open_stream(content):
            batches.append(batch)
    except (pa.ArrowInvalid, OSError):
        return batches
    return batches
