"""Where the desk keeps its ledger and its bars, and whom it tells."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import ConfigDict, Field, SecretStr

from adapters.parquet_bars import ParquetBars
from adapters.parquet_chains import ParquetChains
from adapters.parquet_minute_bars import ParquetMinuteBars
from adapters.parquet_ticks import ParquetTicks
from adapters.sql.ledger import LedgerPlace
from blocks.alert_channels import AlertChannels
from trading.errors import InvalidValue
from trading.market.bars import BarStore
from trading.market.minute_bars import MinuteStore
from trading.market.ticks import TickStore

if TYPE_CHECKING:
    from adapters.delta_intraday import Lake


class DeskStorage(Block):
    """Where the desk keeps its ledger, its bars and its STOP file, and whom it tells what happens."""

    _block_type_name = "Openbell Desk Storage"
    _block_type_slug = "openbell-desk-storage"
    _description = "Folder of the desk, and the ledger's database."
    model_config = ConfigDict(hide_input_in_errors=True)  # that of the alert channels too, with their addresses

    home: Path = Field(description="Folder of the desk: bars, reports, and the STOP file that halts everything.")
    ledger_url: SecretStr | None = Field(
        default=None,
        description="SQLAlchemy URL of the ledger, such as postgresql+psycopg://user:password@host/openbell. "
        "Empty: a SQLite file in the desk's folder.",
    )

    bars_url: str | None = Field(
        default=None,
        description="Where bars and ticks lie when not in the desk's folder, for desks on several machines: such as "
        "s3://bucket/prefix. Needs the extra lake.",
    )
    bars_storage_options: SecretDict = Field(  # the server shows the values of a dict[str, SecretStr]
        default=SecretDict({}),
        description="How bars_url is reached: aws_access_key_id, aws_secret_access_key, aws_region, aws_endpoint_url "
        "and so on, as Delta Lake names them. None of them is shown. Empty: what the machine itself may do.",
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
        """Return the folder of bars and chains that did not pass."""
        return self.home / "quarantine"

    def engine(self) -> sa.Engine:
        """Return an engine on the ledger."""
        return self._ledger.engine()

    @property
    def _ledger(self) -> LedgerPlace:
        return LedgerPlace(home=self.home, url=self.ledger_url.get_secret_value() if self.ledger_url else None)

    def store(self) -> BarStore:
        """Return the store of daily bars.

        Raises:
            InvalidValue: bars_url is no address, or what it needs is not installed.
        """
        return ParquetBars(self.home / "bars") if self.bars_url is None else self._lake(self.bars_url).bars

    def minute_store(self) -> MinuteStore:
        """Return the store of minute bars.

        Raises:
            InvalidValue: as `store`.
        """
        if self.bars_url is None:
            return ParquetMinuteBars(self.home / "minute_bars")
        return self._lake(self.bars_url).minutes

    def tick_store(self) -> TickStore:
        """Return the store of ticks.

        Raises:
            InvalidValue: as `store`.
        """
        return ParquetTicks(self.home / "ticks") if self.bars_url is None else self._lake(self.bars_url).ticks

    def chain_store(self) -> ParquetChains:
        """Return the store of option chains."""
        return ParquetChains(self.home / "chains")

    def compact_bars(self, sources: Collection[str]) -> int:
        """Join the small files that writing daily and minute bars to object storage leaves.

        In a folder there are none.

        Returns:
            Of how many sources the daily bars were joined.
        """
        if self.bars_url is None:
            return 0
        lake = self._lake(self.bars_url)
        for source in sources:
            lake.bars.compact(source)
        lake.minutes.compact()
        return len(sources)

    def _lake(self, url: str) -> "Lake":
        try:
            from adapters.delta_intraday import Lake
        except ModuleNotFoundError as exc:
            raise InvalidValue("bars_url", url, "empty, or install openbell with its extra `lake`") from exc
        options = self.bars_storage_options.get_secret_value()
        return Lake.at(url, {name: SecretStr(str(value)) for name, value in options.items()})
