"""Parquet files that many processes read and write: whole or not there, never half."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet

from trading.errors import StoreCorrupt, StoreUnavailable


@contextmanager
def locked(folder: Path, name: str) -> Iterator[None]:
    """Let one writer at a time, of all processes and threads on this machine, pass for that name.

    The empty lock file stays: deleting it would let two writers hold two files of the same name.
    """
    with _lock_file(folder, name) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # closing the file gives the lock back, as does a killed process
        yield


@contextmanager
def locked_if_free(folder: Path, name: str) -> Iterator[bool]:
    """Hold that name until the end, or until this process dies; False when another process holds it."""
    with _lock_file(folder, name) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = True
        except BlockingIOError:
            free = False
        yield free


def write_durably(table: pa.Table, path: Path) -> None:
    """Put the table in place of the file at once; when this returns, a power cut cannot undo it. Hold the lock.

    Raises:
        StoreUnavailable: the file is as it was.
    """
    beside = path.with_name(f".{path.name}.part")
    try:
        with beside.open("wb") as sink:
            pyarrow.parquet.write_table(table, sink, compression="zstd", write_page_checksum=True)
            sink.flush()
            os.fsync(sink.fileno())
        beside.replace(path)
        _sync_folder(path.parent)
    except OSError as exc:
        beside.unlink(missing_ok=True)
        raise StoreUnavailable(str(path), str(exc)) from exc


def read_whole(path: Path, schema: pa.Schema) -> pa.Table:
    """Return the file as a table of that schema, its checksums verified.

    Raises:
        StoreCorrupt: it is damaged, or holds something else.
    """
    try:
        with pyarrow.parquet.ParquetFile(pa.OSFile(str(path)), page_checksum_verification=True) as parquet:
            table = parquet.read()
        return table.select(schema.names).cast(schema.with_metadata(table.schema.metadata))
    except (pa.ArrowException, OSError, KeyError, ValueError) as exc:
        raise StoreCorrupt(str(path), " ".join(str(exc).split())) from exc


def read_metadata(path: Path, key: bytes) -> str:
    """Return one entry of the file's metadata.

    Raises:
        StoreCorrupt: it is damaged, or has no such entry.
    """
    try:
        metadata: dict[bytes, bytes] = pyarrow.parquet.read_schema(path).metadata or {}
        return metadata[key].decode()
    except (pa.ArrowException, OSError, KeyError) as exc:
        raise StoreCorrupt(str(path), " ".join(str(exc).split())) from exc


def _lock_file(folder: Path, name: str) -> BinaryIO:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / f".{name}.lock").open("ab")
    except OSError as exc:
        raise StoreUnavailable(str(folder), str(exc)) from exc


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)  # the new name is on disk only once its folder is
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
