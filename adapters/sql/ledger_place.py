"""Where a ledger is; whoever needs one part of it need not load them all."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

from adapters.sql.engine import make_engine


class Place(Protocol):
    """Where a ledger is."""

    @property
    def stop_file(self) -> Path:
        """Return the file whose presence halts the desk."""
        ...

    def engine(self) -> sa.Engine:
        """Return an engine on the ledger."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerPlace:
    """The ledger of a desk's folder.

    Attributes:
        url: SQLAlchemy URL; None: a SQLite file in the folder.
    """

    home: Path
    url: str | None = None

    @property
    def stop_file(self) -> Path:
        """Return the file whose presence halts the desk."""
        return self.home / "STOP"

    @property
    def file(self) -> Path:
        """Return the SQLite file."""
        return self.home / "ledger.db"

    def engine(self) -> sa.Engine:
        """Return an engine on the ledger."""
        return make_engine(self.url or f"sqlite:///{self.file}")
