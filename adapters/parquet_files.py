"""Parquet files that many processes read and write: whole or not there, never half."""

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute
import pyarrow.dataset
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
def held_for_reading(folder: Path, name: str) -> Iterator[None]:
    """Keep writers of that name out, but no other reader; before anything is written there are none."""
    lock_path = folder / f".{name}.lock"
    if not lock_path.exists():
        yield
        return
    with lock_path.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def make_folder(folder: Path) -> None:
    """Make the folder and those above it; when this returns, a power cut cannot undo it."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


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
            pyarrow.parquet.write_table(
                table,
                sink,
                compression="zstd",
                use_dictionary=[c.name for c in table.schema if pa.types.is_string(c.type)],
                column_encoding={c.name: "DELTA_BINARY_PACKED" for c in table.schema if pa.types.is_timestamp(c.type)},
                write_page_checksum=True,
            )
            sink.flush()
            os.fsync(sink.fileno())
        beside.replace(path)
        _sync_folder(path.parent)
    except OSError as exc:
        beside.unlink(missing_ok=True)
        raise StoreUnavailable(str(path), str(exc)) from exc


def remove_folder(folder: Path) -> None:
    """Delete the files of the folder, and the folder. Hold the lock.

    Raises:
        StoreUnavailable: not all could be deleted.
    """
    for path in folder.iterdir():
        remove_file(path)
    try:
        folder.rmdir()
    except OSError as exc:
        raise StoreUnavailable(str(folder), str(exc)) from exc


def remove_file(path: Path) -> None:
    """Delete the file, if it is there. Hold the lock.

    Raises:
        StoreUnavailable: it cannot be deleted.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        raise StoreUnavailable(str(path), str(exc)) from exc


def read_whole(path: Path, schema: pa.Schema) -> pa.Table:
    """Return the file as a table of that schema, its checksums verified; `known_at` is null where it is not kept.

    Raises:
        StoreCorrupt: it is damaged, or holds something else.
    """
    try:
        with pyarrow.parquet.ParquetFile(pa.OSFile(str(path)), page_checksum_verification=True) as parquet:
            table = parquet.read()
        if "known_at" in schema.names and "known_at" not in table.column_names:
            table = table.append_column(schema.field("known_at"), pa.nulls(len(table), schema.field("known_at").type))
        return table.select(schema.names).cast(schema.with_metadata(table.schema.metadata))
    except (pa.ArrowException, OSError, KeyError, ValueError) as exc:
        raise StoreCorrupt(str(path), " ".join(str(exc).split())) from exc


def read_rows(paths: Sequence[Path], schema: pa.Schema, wanted: pyarrow.compute.Expression) -> pa.Table:
    """Return the wanted rows of the files, one after the other; `known_at` is null where it is not kept.

    Raises:
        StoreCorrupt: one is damaged, or holds something else.
    """
    try:
        # Open files, not paths: a file replaced meanwhile would be opened twice, first the old one, then the new.
        opened = {path: pa.OSFile(str(path)) for path in paths}
    except OSError as exc:
        raise StoreCorrupt(str(exc.filename or paths[0].parent), " ".join(str(exc).split())) from exc
    return read_open(opened, schema, wanted)


def read_open(files: Mapping[Path, pa.NativeFile], schema: pa.Schema, wanted: pyarrow.compute.Expression) -> pa.Table:
    """Return the wanted rows of files that are open already, as `read_rows` does."""
    codes = {field.name for field in schema if pa.types.is_dictionary(field.type)}
    layout = pyarrow.dataset.ParquetFileFormat(
        read_options=pyarrow.dataset.ParquetReadOptions(dictionary_columns=codes),
        default_fragment_scan_options=pyarrow.dataset.ParquetFragmentScanOptions(page_checksum_verification=True),
    )
    try:
        parts = {path: layout.make_fragment(file) for path, file in files.items()}
        for path, part in parts.items():
            if missing := set(schema.names) - {"known_at", *part.physical_schema.names}:
                raise StoreCorrupt(str(path), f"it has no {', '.join(sorted(missing))}")
        return pyarrow.dataset.FileSystemDataset(list(parts.values()), schema, layout).to_table(filter=wanted)
    except (pa.ArrowException, OSError) as exc:
        for path in files:  # Arrow does not always say which one
            read_whole(path, schema)
        raise StoreCorrupt(str(next(iter(files)).parent), " ".join(str(exc).split())) from exc


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
