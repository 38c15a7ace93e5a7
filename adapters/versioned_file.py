"""A Parquet file of rows that are believed, and beside it the file of those that were believed before."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute

from adapters.bar_versions import SUPERSEDED_AT, TIME, RowKind, change, put_aside, withdrawn
from adapters.parquet_files import read_rows, read_whole, write_durably
from trading.market.bars import UpsertCount


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionedFile:
    """One such pair of files; whoever writes holds the lock.

    What is put aside is written first. A writer killed between the two leaves rows that were put aside and are believed
    all the same: they count as believed, and writing again finds them there.

    Attributes:
        schema: of the rows, `known_at` among them.
        metadata: of the file.
    """

    path: Path
    schema: pa.Schema
    kind: RowKind
    metadata: Mapping[bytes, str]

    def merge(self, rows: pd.DataFrame, known_at: pd.Timestamp) -> UpsertCount:
        """Let rows take the place of those of their key; when they say nothing new, nothing is written."""
        done = change(self._believed(), rows, self.kind, known_at)
        if done.count.added or done.count.changed:
            self._put_aside(done.superseded)
            self._write(done.believed, self.path, self.schema)
        return done.count

    def withdraw(self, is_wanted: Callable[[pd.DataFrame], "pd.Series[bool]"], known_at: pd.Timestamp) -> int:
        """Put rows aside that nothing takes the place of; return how many."""
        stored = self._believed()
        is_gone = is_wanted(stored)
        if is_gone.any():
            self._put_aside(withdrawn(stored[is_gone], known_at))
            self._write(stored[~is_gone], self.path, self.schema)
        return int(is_gone.sum())

    def _believed(self) -> pd.DataFrame:
        stored = read_whole(self.path, self.schema) if self.path.exists() else self.schema.empty_table()
        return stored.to_pandas()

    def _put_aside(self, rows: pd.DataFrame) -> None:
        if len(rows):
            path, schema = superseded_path(self.path), self.schema.append(SUPERSEDED_AT)
            earlier = read_whole(path, schema) if path.exists() else schema.empty_table()
            self._write(put_aside(earlier.to_pandas(), rows, self.kind), path, schema)

    def _write(self, rows: pd.DataFrame, path: Path, schema: pa.Schema) -> None:
        table = pa.Table.from_pandas(rows, schema=schema, preserve_index=False)
        write_durably(table.replace_schema_metadata(dict(self.metadata)), path)


def superseded_path(path: Path) -> Path:
    """Return where the rows lie that were believed before."""
    return path.with_suffix(".superseded.parquet")


def read_superseded(paths: Sequence[Path], schema: pa.Schema, wanted: pyarrow.compute.Expression) -> pa.Table:
    """Return the wanted rows that were put aside beside these files, with `superseded_at`."""
    schema = schema.append(SUPERSEDED_AT)
    asides = [aside for path in paths if (aside := superseded_path(path)).exists()]
    return read_rows(asides, schema, wanted) if asides else schema.empty_table()


def read_as_of(
    paths: Sequence[Path], schema: pa.Schema, wanted: pyarrow.compute.Expression, then: pd.Timestamp
) -> pa.Table:
    """Return the wanted rows that were believed at that moment; where a row comes twice, the newer one counts.

    What is believed is read first: a writer puts aside before it replaces, so no row is in neither.
    """
    field, moment = pyarrow.compute.field, pa.scalar(then, TIME)
    wanted &= field("known_at").is_null() | (field("known_at") <= moment)
    believed = read_rows(paths, schema, wanted)
    before = read_superseded(paths, schema, wanted & (field("superseded_at") > moment))
    return pa.concat_tables([believed, before.select(schema.names)])
