"""Which provider gives bars, and how it is reached."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from prefect.blocks.core import Block
from pydantic import Field

from adapters.alpaca_bars import AlpacaBars
from adapters.alpha_vantage_bars import AlphaVantageBars
from adapters.csv_actions import read_actions
from adapters.csv_bars import CsvBars
from adapters.csv_universes import read_universe
from adapters.failover_bars import FailoverBars
from adapters.ib.bars import IbBars
from adapters.ib.budget import gateway_budget
from adapters.iqfeed.history import IqfeedBars
from adapters.massive_bars import MassiveBars
from adapters.nasdaq_data_link_bars import NasdaqDataLinkBars
from adapters.sample_bars import SampleBars
from adapters.told_actions import ToldActions
from adapters.yahoo_bars import YahooBars
from blocks.provider_access import Provider, ProviderAccess
from trading.errors import InvalidValue
from trading.market import bars
from trading.market.agreement import AgreementPolicy
from trading.market.instruments import Equity
from trading.market.providers import ProviderTrail
from trading.market.quality import QualityPolicy
from trading.market.universes import Universe


class BarSource(ProviderAccess, Block):
    """Which provider gives daily bars, of which symbols, and what its bars must pass."""

    _block_type_name = "Openbell Bar Source"
    _block_type_slug = "openbell-bar-source"
    _description = "A provider of daily bars."

    provider: Provider = Field(
        default=Provider.SAMPLE,
        description="sample: 20 US stocks 1990-2022, closes only, adjusted; files: CSV or Parquet of your own; yahoo; "
        "interactive_brokers: TWS or IB Gateway, iqfeed: IQConnect, which tell no splits or dividends; alpaca, "
        "alpha_vantage, massive, nasdaq_data_link: with a key of yours.",
    )
    symbols: list[str] = Field(default=[], description="Symbols to ask for. Empty: all that the provider offers.")
    universe_path: Path | None = Field(
        default=None,
        description="A CSV of who belonged when (symbol, first, last), instead of symbols: a session is decided among "
        "those that belong on it.",
    )
    path: Path | None = Field(default=None, description="files: a folder of SYMBOL.csv, or one CSV or Parquet file.")
    actions_path: Path | None = Field(
        default=None,
        description="A CSV of corporate actions (symbol, ex_date, type, cash_per_share, split_ratio_new_per_old, "
        "new_symbol): all that there are of files, what another provider does not tell.",
    )
    price_basis: bars.PriceBasis = Field(
        default=bars.PriceBasis.RAW, description="files: what has been done to the prices; orders need raw ones."
    )
    fallbacks: list[str] = Field(
        default=[],
        description="Names of other bar source blocks, asked in this order for what this one cannot give; of the same "
        "exchange, their prices on the same basis. Whoever stood in is told with the quality verdict.",
    )
    compare_with: str | None = Field(
        default=None,
        description="Name of another bar source block, its prices on the same basis, that is asked for the last "
        "sessions too: where the two differ by much, the symbol is quarantined.",
    )
    agreement: AgreementPolicy = Field(
        default_factory=AgreementPolicy, description="How far the two may be apart that are compared."
    )
    quality: QualityPolicy = Field(default_factory=QualityPolicy, description="What the bars must pass.")

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
        self.require_same_prices("fallbacks", others)
        first = self.source()
        symbols = self.named_symbols() or list(first.instruments())
        same = {"symbols": symbols, "universe_path": None}
        behind = [other.model_copy(update=same).source() for other in others]
        return FailoverBars([first, *behind], self.basis, trail)

    def require_same_prices(self, role: str, others: Sequence[Self]) -> None:
        """Raise InvalidValue unless the prices of others can stand beside those of this one."""
        for other in (self, *others):
            if other.provider in (Provider.INTERACTIVE_BROKERS, Provider.IQFEED):
                rule = f"no provider that adjusts for splits without telling them, as {other.provider} does"
                raise InvalidValue(f"{role} of {self.name}", other.name, rule)
            if other.mic != self.mic:
                raise InvalidValue(f"mic of {role} {other.name}", other.mic, f"{self.mic}, as that of {self.name}")
            if other.basis is not self.basis:
                rule = f"{self.basis}, as that of {self.name}"
                raise InvalidValue(f"price_basis of {role} {other.name}", other.basis.value, rule)

    @property
    def basis(self) -> bars.PriceBasis:
        """Return what has been done to the prices that it gives."""
        match self.provider:
            case Provider.FILES:
                return self.price_basis
            case Provider.SAMPLE:
                return bars.PriceBasis.ADJUSTED
            case Provider.IQFEED:
                return bars.PriceBasis.SPLIT_ADJUSTED
            case _:
                return bars.PriceBasis.RAW

    def source(self) -> bars.BarSource:
        """Return the adapter."""
        if self.actions_path is None or self.provider is Provider.FILES:
            return self._provider()
        return ToldActions(self._provider(), read_actions(self.actions_path, "USD"))

    def _provider(self) -> bars.BarSource:
        match self.provider:
            case Provider.SAMPLE:
                return SampleBars(self.name)
            case Provider.FILES:
                return self._files()
            case Provider.YAHOO:
                return YahooBars(self.yahoo(), self._named(), mic=self.mic)
            case Provider.INTERACTIVE_BROKERS:
                return self._interactive_brokers()
            case Provider.ALPACA:
                return AlpacaBars(self._named(), access=self.alpaca(), mic=self.mic, name=self.name)
            case Provider.IQFEED:
                return IqfeedBars(self._named(), settings=self.iqfeed, mic=self.mic, name=self.name)
            case Provider.ALPHA_VANTAGE:
                return self._with_key(AlphaVantageBars)
            case Provider.NASDAQ_DATA_LINK:
                return self._with_key(NasdaqDataLinkBars)
            case Provider.MASSIVE:
                return MassiveBars(self._named(), self.massive(), mic=self.mic)

    def _files(self) -> CsvBars:
        if self.path is None:
            raise InvalidValue(f"path of {self.name}", None, "a folder or file when the provider is files")
        return CsvBars(
            name=self.name,
            path=self.path,
            price_basis=self.price_basis,
            actions_path=self.actions_path,
            mic=self.mic,
        )

    def _interactive_brokers(self) -> IbBars:
        told = {symbol: terms.currency for symbol, terms in self.ib.contracts.items() if terms.currency}
        listed = [Equity(symbol=s, mic=self.mic, currency=told.get(s, self.ib.currency)) for s in self._named()]
        return IbBars(
            listed,
            settings=self.ib,
            now=lambda: datetime.now(UTC),
            budget=gateway_budget(self.ib),
            name=self.name,
        )

    def _with_key(self, kind: type[AlphaVantageBars] | type[NasdaqDataLinkBars]) -> bars.BarSource:
        return kind(
            self._named(),
            api_key=self.key(),
            mic=self.mic,
            base_url=self.base_url,
            budget=self.budget(),
            name=self.name,
        )

    def _named(self) -> tuple[str, ...]:
        symbols = self.named_symbols()
        if not symbols:
            raise InvalidValue(f"symbols of {self.name}", [], f"named when the provider is {self.provider}")
        return tuple(symbols)
