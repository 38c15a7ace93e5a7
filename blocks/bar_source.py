"""Which provider gives bars, and how it is reached."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Self

from prefect.blocks.core import Block
from pydantic import Field, SecretStr, field_validator

from adapters.alpha_vantage_bars import AlphaVantageBars
from adapters.csv_bars import CsvBars
from adapters.csv_universes import read_universe
from adapters.failover_bars import FailoverBars
from adapters.ib.bars import IbBars
from adapters.ib.budget import gateway_budget
from adapters.ib.ib_settings import IbSettings
from adapters.nasdaq_data_link_bars import NasdaqDataLinkBars
from adapters.sample_bars import SampleBars
from adapters.yahoo_bars import US_MICS, YahooBars
from trading.errors import InvalidValue
from trading.market import bars
from trading.market.instruments import Equity
from trading.market.providers import ProviderTrail
from trading.market.quality import QualityPolicy
from trading.market.universes import Universe


class Provider(StrEnum):
    """The providers there are."""

    SAMPLE = "sample"
    FILES = "files"
    YAHOO = "yahoo"
    INTERACTIVE_BROKERS = "interactive_brokers"
    ALPHA_VANTAGE = "alpha_vantage"
    NASDAQ_DATA_LINK = "nasdaq_data_link"


CLOSED = {
    "td_ameritrade": "TD Ameritrade closed on 2024-05-10; its accounts are at Charles Schwab",
    "iex_cloud": "IEX Cloud closed on 2024-08-31",
}
_INSTEAD = "use yahoo, alpha_vantage, nasdaq_data_link or interactive_brokers"


class BarSource(Block):
    """Which provider gives daily bars, of which symbols, and what its bars must pass."""

    _block_type_name = "Openbell Bar Source"
    _block_type_slug = "openbell-bar-source"
    _description = "A provider of daily bars."

    name: str = Field(description="Recorded with every bar; one name is one price basis for ever.", min_length=1)
    provider: Provider = Field(
        default=Provider.SAMPLE,
        description="sample: 20 US stocks 1990-2022, closes only, adjusted; files: CSV or Parquet of your own; yahoo; "
        "interactive_brokers: TWS or IB Gateway, which tells no splits or dividends; alpha_vantage, nasdaq_data_link: "
        "with a key of yours.",
    )
    mic: str = Field(default="XNYS", description="ISO 10383 code of the exchange whose calendar the bars follow.")
    symbols: list[str] = Field(default=[], description="Symbols to ask for. Empty: all that the provider offers.")
    universe_path: Path | None = Field(
        default=None,
        description="A CSV of who belonged when (symbol, first, last), instead of symbols: a session is decided among "
        "those that belong on it.",
    )
    path: Path | None = Field(default=None, description="files: a folder of SYMBOL.csv, or one CSV or Parquet file.")
    actions_path: Path | None = Field(
        default=None,
        description="files: a CSV of splits and dividends (symbol, ex_date, type, cash_per_share, "
        "split_ratio_new_per_old).",
    )
    price_basis: bars.PriceBasis = Field(
        default=bars.PriceBasis.RAW, description="files: what has been done to the prices; orders need raw ones."
    )
    base_url: str | None = Field(
        default=None, description="yahoo, alpha_vantage, nasdaq_data_link: another address to ask, such as a proxy's."
    )
    api_key: SecretStr | None = Field(
        default=None, description="alpha_vantage, nasdaq_data_link: your key; never shown, logged or stored elsewhere."
    )
    fallbacks: list[str] = Field(
        default=[],
        description="Names of other bar source blocks, asked in this order for what this one cannot give; of the same "
        "exchange, their prices on the same basis. Whoever stood in is told with the quality verdict.",
    )
    ib: IbSettings = Field(default_factory=IbSettings, description="interactive_brokers: where TWS or IB Gateway is.")
    quality: QualityPolicy = Field(default_factory=QualityPolicy, description="What the bars must pass.")

    @field_validator("provider", mode="before")
    @classmethod
    def _is_open(cls, value: object) -> object:
        if isinstance(value, str) and (why := CLOSED.get(value.lower().replace(" ", "_"))) is not None:
            raise ValueError(f"{why}; {_INSTEAD}")
        return value

    def universe(self) -> Universe | None:
        """Return who belonged when; None where the symbols are always the same."""
        return None if self.universe_path is None else read_universe(self.universe_path)

    def of_universe(self, path: Path | None) -> Self:
        """Return it with another universe, or as it is when None."""
        return self if path is None else self.model_copy(update={"universe_path": path})

    def named_symbols(self) -> list[str]:
        """Return the symbols to ask for, of a universe all that ever belong; none when all on offer are meant."""
        universe = self.universe()
        return self.symbols if universe is None else list(universe.symbols())

    def with_fallbacks(self, others: Sequence[Self], trail: ProviderTrail) -> bars.BarSource:
        """Return the adapter with those of others behind it that stand in for it; they are asked for its symbols."""
        for other in (self, *others):
            if other.provider is Provider.INTERACTIVE_BROKERS:
                rule = "no provider that adjusts for splits without telling them, as interactive_brokers does"
                raise InvalidValue(f"fallbacks of bar source {self.name}", other.name, rule)
            if other.mic != self.mic:
                raise InvalidValue(f"mic of fallback {other.name}", other.mic, f"{self.mic}, as that of {self.name}")
        first = self.source()
        symbols = self.named_symbols() or list(first.instruments())
        same = {"symbols": symbols, "universe_path": None}
        behind = [other.model_copy(update=same).source() for other in others]
        return FailoverBars([first, *behind], self._basis(), trail)

    def _basis(self) -> bars.PriceBasis:
        match self.provider:
            case Provider.FILES:
                return self.price_basis
            case Provider.SAMPLE:
                return bars.PriceBasis.ADJUSTED
            case _:
                return bars.PriceBasis.RAW

    def source(self) -> bars.BarSource:
        """Return the adapter."""
        match self.provider:
            case Provider.SAMPLE:
                return SampleBars(self.name)
            case Provider.FILES:
                return self._files()
            case Provider.YAHOO:
                return self._yahoo()
            case Provider.INTERACTIVE_BROKERS:
                return self._interactive_brokers()
            case Provider.ALPHA_VANTAGE:
                return self._with_key(AlphaVantageBars)
            case Provider.NASDAQ_DATA_LINK:
                return self._with_key(NasdaqDataLinkBars)

    def _files(self) -> CsvBars:
        if self.path is None:
            raise InvalidValue(f"path of bar source {self.name}", None, "a folder or file when the provider is files")
        return CsvBars(
            name=self.name,
            path=self.path,
            price_basis=self.price_basis,
            actions_path=self.actions_path,
            mic=self.mic,
        )

    def _yahoo(self) -> YahooBars:
        return YahooBars(name=self.name, symbols=self._named(), mic=self.mic, base_url=self.base_url)

    def _interactive_brokers(self) -> IbBars:
        listed = [Equity(symbol=symbol, mic=self.mic, currency=self.ib.currency) for symbol in self._named()]
        return IbBars(
            listed,
            settings=self.ib,
            now=lambda: datetime.now(UTC),
            budget=gateway_budget(self.ib),
            name=self.name,
        )

    def _with_key(self, kind: type[AlphaVantageBars] | type[NasdaqDataLinkBars]) -> bars.BarSource:
        if self.api_key is None:
            raise InvalidValue(f"api_key of bar source {self.name}", None, f"given, as the provider is {self.provider}")
        if self.mic not in US_MICS:
            rule = f"a US exchange, as {self.provider} does not say in which currency it quotes"
            raise InvalidValue(f"mic of bar source {self.name}", self.mic, rule)
        return kind(self._named(), api_key=self.api_key, mic=self.mic, base_url=self.base_url, name=self.name)

    def _named(self) -> tuple[str, ...]:
        symbols = self.named_symbols()
        if not symbols:
            raise InvalidValue(f"symbols of bar source {self.name}", [], f"named when the provider is {self.provider}")
        return tuple(symbols)
