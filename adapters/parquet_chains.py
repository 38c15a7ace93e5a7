"""The store of option chains: one Parquet file per chain fetched, and what it holds as a source of chains."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
from pydantic import TypeAdapter

from adapters.bar_versions import SOURCE_NAME
from adapters.parquet_files import locked, read_metadata, read_whole, write_durably
from trading.errors import ChainInvalid, InvalidValue, StoreCorrupt, UnknownSymbol
from trading.options.chains import CHAIN_NUMBERS, ExerciseStyle, OptionChain, chain_frame
from trading.options.terms import KeptChain, PricingTerms

CHAIN = pa.schema(
    [
        ("expiry", pa.timestamp("us")),
        ("strike", pa.float64()),
        ("right", pa.string()),
        *((name, pa.float64()) for name in CHAIN_NUMBERS),
        ("quoted_at", pa.timestamp("us", "UTC")),
    ]
)
ABOUT_KEY = b"openbell.chain"
TERMS = TypeAdapter(PricingTerms)
_STAMP = "%Y%m%dT%H%M%S.%fZ"
_NAME = re.compile(r"(\d{8}T\d{6}\.\d{6}Z)_(\d{8}T\d{6}\.\d{6}Z)\.parquet")


@dataclass(frozen=True, slots=True, order=True)
class ChainVersion:
    """One chain in store: its moment, and when it was fetched; both UTC."""

    at: datetime
    fetched_at: datetime


class ParquetChains:
    """Option chains in a folder: `SOURCE/UNDERLYING/MOMENT_FETCHED.parquet`.

    A chain fetched again for the same moment is kept beside the older ones, so that what was known at any time can be
    read. A file is there whole or not at all; readers need no lock.

    Args:
        root: the folder; made when the first chain is written.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def save(self, chain: OptionChain, fetched_at: datetime, terms: PricingTerms | None = None) -> ChainVersion:
        """Write a chain durably; writing it again changes nothing.

        Args:
            fetched_at: aware.
            terms: that it was checked by, so that it can be priced by them again.

        Raises:
            InvalidValue: the source or the underlying cannot name a folder, or `fetched_at` has no zone.
            StoreUnavailable: it could not be written.
        """
        _require_zone("fetched_at", fetched_at)
        folder = self._folder(chain.source, chain.underlying)
        version = ChainVersion(chain.at.astimezone(UTC), fetched_at.astimezone(UTC))
        table = pa.Table.from_pandas(chain.frame, schema=CHAIN, preserve_index=False)
        with locked(folder, "chains"):
            write_durably(table.replace_schema_metadata({ABOUT_KEY: _about(chain, terms)}), folder / _file(version))
        return version

    def versions(self, source: str, underlying: str) -> tuple[ChainVersion, ...]:
        """Return what is stored, by moment and then by time of fetch."""
        return tuple(sorted(_versions(self._folder(source, underlying))))

    def read(
        self, source: str, underlying: str, at: datetime | None = None, known_by: datetime | None = None
    ) -> OptionChain:
        """Return the chain of the last moment up to `at`, as it was last fetched.

        Args:
            at: aware; the newest when None.
            known_by: aware; of chains fetched later nothing is known.

        Raises:
            InvalidValue: a time has no zone.
            UnknownSymbol: nothing is stored of it up to then.
            StoreCorrupt: the file cannot be read.
        """
        _require_zone("at", at)
        _require_zone("known_by", known_by)
        stored = [
            version
            for version in self.versions(source, underlying)
            if (at is None or version.at <= at) and (known_by is None or version.fetched_at <= known_by)
        ]
        if not stored:
            raise UnknownSymbol([underlying], f"the store of chains of {source}")
        return _read(self._folder(source, underlying) / _file(stored[-1])).chain

    def newest(self, underlying: str, before: datetime) -> KeptChain | None:
        """Return the last chain before a moment, of whatever source, as it was last fetched; None when there is none.

        Args:
            before: aware.

        Raises:
            InvalidValue: the time has no zone, or the underlying cannot name a folder.
            StoreCorrupt: the file cannot be read.
        """
        _require_zone("before", before)
        sources = [path.name for path in sorted(self._root.glob("*/")) if SOURCE_NAME.fullmatch(path.name)]
        folders = [self._folder(source, underlying) for source in sources]
        stored = [(version, folder) for folder in folders for version in _versions(folder) if version.at < before]
        if not stored:
            return None
        version, folder = max(stored, key=lambda found: found[0])
        return _read(folder / _file(version))

    def as_source(self, source: str, at: datetime | None = None) -> "StoredChains":
        """Return what is stored of a source, up to a moment, as a source of chains itself."""
        return StoredChains(self, source, at)

    def _folder(self, source: str, underlying: str) -> Path:
        if not SOURCE_NAME.fullmatch(source):
            raise InvalidValue("source", source, "letters, digits, blanks and . _ -, as it names a folder")
        if not underlying.strip("."):
            raise InvalidValue("underlying", underlying, "a symbol, as it names a folder")
        return self._root / source / quote(underlying, safe="")


@dataclass(frozen=True, slots=True)
class StoredChains:
    """What the store holds of one source, as a ChainSource: for the past, and when the provider is away."""

    store: ParquetChains
    name: str
    at: datetime | None = None

    def fetch(self, underlying: str) -> OptionChain:
        """Return the last chain stored.

        Raises:
            UnknownSymbol: nothing is stored of it up to that moment.
            StoreCorrupt: the file cannot be read.
        """
        return self.store.read(self.name, underlying, self.at)


def _require_zone(name: str, moment: datetime | None) -> None:
    if moment is not None and moment.tzinfo is None:
        raise InvalidValue(name, moment, "a time with its zone")


def _file(version: ChainVersion) -> str:
    return f"{version.at.strftime(_STAMP)}_{version.fetched_at.strftime(_STAMP)}.parquet"


def _versions(folder: Path) -> Iterator[ChainVersion]:
    for path in folder.glob("*.parquet"):
        if stamps := _NAME.fullmatch(path.name):
            yield ChainVersion(*(datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC) for stamp in stamps.groups()))


def _about(chain: OptionChain, terms: PricingTerms | None) -> str:
    return json.dumps(
        {
            "underlying": chain.underlying,
            "underlying_px": None if chain.underlying_px is None else repr(chain.underlying_px),  # exact, NaN too
            "style": chain.style.value,
            "source": chain.source,
            "at": chain.at.astimezone(UTC).isoformat(),
            "multiplier": str(chain.multiplier),
            "currency": chain.currency,
            "terms": None if terms is None else TERMS.dump_python(terms, mode="json"),
        }
    )


def _read(path: Path) -> KeptChain:
    frame = read_whole(path, CHAIN).to_pandas()
    try:
        about = json.loads(read_metadata(path, ABOUT_KEY))
        px, terms = about["underlying_px"], about.get("terms")  # which older files lack
        chain = OptionChain(
            underlying=about["underlying"],
            underlying_px=None if px is None else float(px),
            style=ExerciseStyle(about["style"]),
            frame=chain_frame(frame),
            source=about["source"],
            at=datetime.fromisoformat(about["at"]),
            multiplier=Decimal(about["multiplier"]),
            currency=about["currency"],
        )
        return KeptChain(chain=chain, terms=None if terms is None else TERMS.validate_python(terms))
    except (ChainInvalid, InvalidValue, KeyError, TypeError, ValueError, ArithmeticError) as exc:
        raise StoreCorrupt(str(path), f"{type(exc).__name__}: {exc}") from exc
