"""Delta Lake tables that are only added to, in a folder or in object storage, and what goes wrong with them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import pyarrow as pa
import pyarrow.compute
from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from pydantic import SecretStr

from trading.errors import InvalidValue, StoreCorrupt, StoreUnavailable

# A server that is down is told of within a minute; a commit is made only where no other has been made meanwhile.
S3_OPTIONS = {
    "aws_conditional_put": "etag",
    "max_retries": "5",
    "retry_timeout": "30s",
    "connect_timeout": "10s",
    "timeout": "60s",
}
UNSAFE = "aws_s3_allow_unsafe_rename"
SCHEMES = re.compile(r"(s3|s3a|gs|az|abfs|abfss|file)://\S+|[^:]+")
_COLOUR = re.compile(r"\x1b\[\d+m")
_S3_ERROR = re.compile(r"<Code>(?P<code>[^<]*)</Code>\s*<Message>(?P<text>[^<]*)</Message>")
_ASKING = re.compile(r"Error performing|error sending request|necessary privileges|Permission denied")
_PATIENT = CommitProperties(max_commit_retries=1000)  # an addition conflicts with no other, it only takes its turn
_AT_ONCE = CommitProperties(max_commit_retries=0)  # tried again, making a table would replace that of another


@dataclass(frozen=True)
class LakePlace:
    """Where tables lie, and how to get there; shows no secret.

    Attributes:
        url: s3://bucket/prefix or that of another object storage, or a folder.
        options: storage options of Delta Lake by name, such as aws_access_key_id.

    Source: https://delta-io.github.io/delta-rs/integrations/object-storage/s3/
    """

    url: str
    options: Mapping[str, SecretStr]

    def __post_init__(self) -> None:
        if not SCHEMES.fullmatch(self.url):
            raise InvalidValue("url of the bar store", self.url, "a folder, or such as s3://bucket/prefix")
        if UNSAFE in {name.lower() for name in self.options}:
            raise InvalidValue(
                "storage options", UNSAFE, "without it: two writers at once would lose each other's rows"
            )

    @cached_property
    def plain_options(self) -> dict[str, str]:
        """Return the options with their secrets, for the library alone."""
        given = {name: value.get_secret_value() for name, value in self.options.items()}
        return (S3_OPTIONS if self.url.startswith("s3") else {}) | given

    def table(self, name: str) -> str:
        """Return the URL of a table."""
        return f"{self.url.rstrip('/')}/{name}"

    def why(self, exc: BaseException) -> str:
        """Return what went wrong in one line without secrets."""
        text = str(exc)
        if told := _S3_ERROR.search(text):
            text = f"{told['code']}: {told['text']}"
        for value in self.options.values():
            if len(secret := value.get_secret_value()) > 3:
                text = text.replace(secret, "***")
        return " ".join(_COLOUR.sub("", text).replace("↳", "").split())[:300]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendedTable:
    """One table; rows are added and never changed, so any number of writers on any machines may add at once."""

    place: LakePlace
    name: str
    schema: pa.Schema
    partition_by: tuple[str, ...] = ()

    def open(self) -> DeltaTable | None:
        """Return the table as it is now; None when nothing was ever written.

        Raises:
            StoreUnavailable: it cannot be reached.
            StoreCorrupt: its log cannot be read.
        """
        with self._reading():
            try:
                return DeltaTable(self._url, storage_options=self.place.plain_options)
            except TableNotFoundError:
                return None

    def create(self, settings: Mapping[str, str]) -> DeltaTable:
        """Return the table; of several that make it at once, the first one's settings count.

        Raises:
            StoreUnavailable: it cannot be made.
        """
        with self._writing():
            try:
                return DeltaTable.create(
                    self._url,
                    self.schema,
                    partition_by=list(self.partition_by),
                    configuration=settings,
                    raise_if_key_not_exists=False,
                    storage_options=self.place.plain_options,
                    commit_properties=_AT_ONCE,
                )
            except DeltaError:
                if (made_meanwhile := self.open()) is None:
                    raise
                return made_meanwhile

    def rows(
        self, table: DeltaTable, wanted: pyarrow.compute.Expression, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Return the wanted rows; all columns when None.

        Raises:
            StoreUnavailable: the storage cannot be reached.
            StoreCorrupt: a file is missing or damaged.
        """
        with self._reading():
            return table.to_pyarrow_dataset().to_table(list(columns or self.schema.names), filter=wanted)

    def append(self, table: DeltaTable, rows: pa.Table) -> None:
        """Add rows: all of them or none.

        Raises:
            StoreUnavailable: they could not be written.
        """
        with self._writing():
            try:
                self._append(table, rows)
            except CommitFailedError:  # delta-rs 1.6: days were forgotten meanwhile, and nothing of this is committed
                self._append(DeltaTable(self._url, storage_options=self.place.plain_options), rows)

    def forget_before(self, day: date) -> int:
        """Leave out the rows of the days before that one; `compact` deletes their files when their time has come.

        For tables that are partitioned by `day`, written 2024-01-02.

        Returns:
            How many parts, as `partition_by` makes them, are gone.

        Raises:
            StoreUnavailable: it could not be done; the rows are as they were.
        """
        table = self.open()
        if table is None:
            return 0
        with self._writing():
            old = sum(part["day"] < day.isoformat() for part in table.partitions())
            if old:
                table.delete(f"day < '{day.isoformat()}'", commit_properties=_PATIENT)
        return old

    def compact(self, keep: timedelta, last: date | None = None) -> int:
        """Join small files, and delete those that were joined or forgotten longer than `keep` ago.

        Args:
            last: of a table that is partitioned by `day`, leave the days after that one as they are.

        Returns:
            How many parts, as `partition_by` makes them, had small files.

        Raises:
            StoreUnavailable: it could not be done; the rows are as they were.
        """
        table = self.open()
        if table is None:
            return 0
        with self._writing():
            done = table.optimize.compact(
                partition_filters=None if last is None else [("day", "<=", last.isoformat())],
                writer_properties=WriterProperties(compression="ZSTD"),
                commit_properties=_PATIENT,
            )
            table.create_checkpoint()
            hours = round(keep / timedelta(hours=1))
            table.vacuum(retention_hours=hours, dry_run=False, enforce_retention_duration=False)
        return int(done["partitionsOptimized"])

    def _append(self, table: DeltaTable, rows: pa.Table) -> None:
        write_deltalake(
            table,
            rows.select(self.schema.names).cast(self.schema),
            mode="append",
            writer_properties=WriterProperties(compression="ZSTD"),
            commit_properties=_PATIENT,
        )

    @property
    def _url(self) -> str:
        return self.place.table(self.name)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (OSError, DeltaError, pa.ArrowException) as exc:
            if _ASKING.search(str(exc)):
                raise StoreUnavailable(self._url, self.place.why(exc)) from None  # its text may tell a secret
            raise StoreCorrupt(self._url, self.place.why(exc)) from None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, DeltaError, pa.ArrowException) as exc:
            raise StoreUnavailable(self._url, self.place.why(exc)) from None
