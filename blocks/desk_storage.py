"""Where the desk keeps its ledger and its bars, and whom it tells."""

from pathlib import Path

import sqlalchemy as sa
from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from adapters.parquet_bars import ParquetBars
from adapters.sql.ledger import LedgerPlace
from blocks.alert_channels import AlertChannels


class DeskStorage(Block):
    """Where the desk keeps its ledger, its bars and its STOP file, and whom it tells what happens."""

    _block_type_name = "Openbell Desk Storage"
    _block_type_slug = "openbell-desk-storage"
    _description = "Folder of the desk, and the ledger's database."

    home: Path = Field(description="Folder of the desk: bars, reports, and the STOP file that halts everything.")
    ledger_url: SecretStr | None = Field(
        default=None,
        description="SQLAlchemy URL of the ledger, such as postgresql+psycopg://user:password@host/openbell. "
        "Empty: a SQLite file in the desk's folder.",
    )

    alerts: AlertChannels | None = Field(default=None, description="Who is told. Empty: alerts stay in the ledger.")

    @property
    def stop_file(self) -> Path:
        """Return the file whose presence halts the desk."""
        return self._ledger.stop_file

    @property
    def docs_folder(self) -> Path:
        """Return the folder of the quality pages."""
        return self.home / "quality"

    @property
    def staging_folder(self) -> Path:
        """Return the folder of bars that are fetched and not yet checked."""
        return self.home / "staging"

    @property
    def checked_folder(self) -> Path:
        """Return the folder of what was fetched for the last sessions, as it came, to be checked anew."""
        return self.home / "checked"

    @property
    def quarantine_folder(self) -> Path:
        """Return the folder of bars that did not pass."""
        return self.home / "quarantine"

    def engine(self) -> sa.Engine:
        """Return an engine on the ledger."""
        return self._ledger.engine()

    @property
    def _ledger(self) -> LedgerPlace:
        return LedgerPlace(home=self.home, url=self.ledger_url.get_secret_value() if self.ledger_url else None)

    def store(self) -> ParquetBars:
        """Return the bar store."""
        return ParquetBars(self.home / "bars")
