"""Which provider gives bars, and how it is reached."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Self

from prefect.blocks.core import Block
from pydantic import Field, SecretStr, field_validator

from adapters import alpha_vantage_bars, massive_api, nasdaq_data_link_bars
from adapters.alpaca_access import ALPACA_REQUESTS, DATA_URL, AlpacaAccess, AlpacaFeed
from adapters.alpaca_bars import AlpacaBars
from adapters.alpha_vantage_bars import AlphaVantageBars
from adapters.csv_bars import CsvBars
from adapters.failover_bars import FailoverBars
from adapters.ib.bars import IbBars
from adapters.ib.budget import gateway_budget
from adapters.ib.ib_settings import IbSettings
from adapters.iqfeed.history import IqfeedBars
from adapters.iqfeed.iqfeed_settings import IqfeedSettings
from adapters.massive_api import MassiveApi
from adapters.massive_bars import MassiveBars
from adapters.nasdaq_data_link_bars import NasdaqDataLinkBars
from adapters.sample_bars import SampleBars
from adapters.source_budget import RequestLimit, SourceBudget, source_budget
from adapters.us_symbols import US_MICS
from adapters.yahoo_bars import YahooBars
from trading.errors import InvalidValue
from trading.market import bars
from trading.market.instruments import Equity
from trading.market.providers import ProviderTrail
from trading.market.quality import QualityPolicy


class Provider(StrEnum):
    """The providers there are."""

    SAMPLE = "sample"
    FILES = "files"
    YAHOO = "yahoo"
    INTERACTIVE_BROKERS = "interactive_brokers"
    ALPHA_VANTAGE = "alpha_vantage"
    NASDAQ_DATA_LINK = "nasdaq_data_link"
    MASSIVE = "massive"
    ALPACA = "alpaca"
    IQFEED = "iqfeed"


CLOSED = {
    "td_ameritrade": "TD Ameritrade closed on 2024-05-10; its accounts are at Charles Schwab",
    "iex_cloud": "IEX Cloud closed on 2024-08-31",
}
_INSTEAD = "use yahoo, alpaca, alpha_vantage, massive, nasdaq_data_link, iqfeed or interactive_brokers"


class BarSource(Block):
    """Which provider gives daily bars, of which symbols, and what its bars must pass."""

    _block_type_name = "Openbell Bar Source"
    _block_type_slug = "openbell-bar-source"
    _description = "A provider of daily bars."

    name: str = Field(description="Recorded with every bar; one name is one price basis for ever.", min_length=1)
    provider: Provider = Field(
        default=Provider.SAMPLE,
        description="sample: 20 US stocks 1990-2022, closes only, adjusted; files: CSV or Parquet of your own; yahoo; "
        "interactive_brokers: TWS or IB Gateway, iqfeed: IQConnect, which tell no splits or dividends; alpaca, "
        "alpha_vantage, massive, nasdaq_data_link: with a key of yours.",
    )
    mic: str = Field(default="XNYS", description="ISO 10383 code of the exchange whose calendar the bars follow.")
    symbols: list[str] = Field(default=[], description="Symbols to ask for. Empty: all that the provider offers.")
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
        default=None,
        description="yahoo, alpha_vantage, massive, nasdaq_data_link: another address to ask, as a proxy's.",
    )
    api_key: SecretStr | None = Field(
        default=None,
        description="alpha_vantage, massive, nasdaq_data_link: your key; never shown, logged or stored elsewhere.",
    )
    api_secret: SecretStr | None = Field(
        default=None, description="alpaca: the secret of your key; never shown, logged or stored elsewhere."
    )
    feed: AlpacaFeed = Field(
        default=AlpacaFeed.SIP,
        description="alpaca: sip is the whole tape, free for what is older than 15 minutes; iex is one exchange.",
    )
    requests_per_minute: int | None = Field(
        default=None,
        description="alpaca, alpha_vantage, massive: what your plan allows; 0: no limit. Empty: what a key without a "
        "plan may.",
    )
    fallbacks: list[str] = Field(
        default=[],
        description="Names of other bar source blocks, asked in this order for what this one cannot give; of the same "
        "exchange, their prices on the same basis. Whoever stood in is told with the quality verdict.",
    )
    ib: IbSettings = Field(default_factory=IbSettings, description="interactive_brokers: where TWS or IB Gateway is.")
    iqfeed: IqfeedSettings = Field(default_factory=IqfeedSettings, description="iqfeed: where IQConnect listens.")
    quality: QualityPolicy = Field(default_factory=QualityPolicy, description="What the bars must pass.")

    @field_validator("provider", mode="before")
    @classmethod
    def _is_open(cls, value: object) -> object:
        if isinstance(value, str) and (why := CLOSED.get(value.lower().replace(" ", "_"))) is not None:
            raise ValueError(f"{why}; {_INSTEAD}")
        return value

    def with_fallbacks(self, others: Sequence[Self], trail: ProviderTrail) -> bars.BarSource:
        """Return the adapter with those of others behind it that stand in for it; they are asked for its symbols."""
        for other in (self, *others):
            if other.provider in (Provider.INTERACTIVE_BROKERS, Provider.IQFEED):
                rule = f"no provider that adjusts for splits without telling them, as {other.provider} does"
                raise InvalidValue(f"fallbacks of bar source {self.name}", other.name, rule)
            if other.mic != self.mic:
                raise InvalidValue(f"mic of fallback {other.name}", other.mic, f"{self.mic}, as that of {self.name}")
        first = self.source()
        symbols = self.symbols or list(first.instruments())
        behind = [other.model_copy(update={"symbols": symbols}).source() for other in others]
        return FailoverBars([first, *behind], self.basis, trail)

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
        match self.provider:
            case Provider.SAMPLE:
                return SampleBars(self.name)
            case Provider.FILES:
                return self._files()
            case Provider.YAHOO:
                return self._yahoo()
            case Provider.INTERACTIVE_BROKERS:
                return self._interactive_brokers()
            case Provider.ALPACA:
                return self._alpaca()
            case Provider.IQFEED:
                return IqfeedBars(self._named(), settings=self.iqfeed, mic=self.mic, name=self.name)
            case Provider.ALPHA_VANTAGE:
                return self._with_key(AlphaVantageBars)
            case Provider.NASDAQ_DATA_LINK:
                return self._with_key(NasdaqDataLinkBars)
            case Provider.MASSIVE:
                return MassiveBars(self._named(), self._massive(), mic=self.mic)

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
        return kind(
            self._named(),
            api_key=self._key(),
            mic=self.mic,
            base_url=self.base_url,
            budget=self._budget(),
            name=self.name,
        )

    def _massive(self) -> MassiveApi:
        return MassiveApi(api_key=self._key(), base_url=self.base_url, budget=self._budget(), name=self.name)

    def _key(self) -> SecretStr:
        if self.api_key is None:
            raise InvalidValue(f"api_key of bar source {self.name}", None, f"given, as the provider is {self.provider}")
        if self.mic not in US_MICS:
            rule = f"a US exchange, as {self.provider} does not say in which currency it quotes"
            raise InvalidValue(f"mic of bar source {self.name}", self.mic, rule)
        return self.api_key

    def _budget(self) -> SourceBudget | None:
        limits = self._limits()
        return source_budget(self.provider, limits, base_url=self.base_url) if limits else None

    def _limits(self) -> tuple[RequestLimit, ...]:
        match self.provider, self.requests_per_minute:
            case Provider.NASDAQ_DATA_LINK, _:
                return nasdaq_data_link_bars.LIMITS
            case Provider.ALPHA_VANTAGE, None:
                return alpha_vantage_bars.FREE_LIMITS
            case Provider.MASSIVE, None:
                return massive_api.FREE_LIMITS
            case _, limit:
                return (RequestLimit(requests=limit, within=timedelta(minutes=1)),) if limit else ()

    def _alpaca(self) -> AlpacaBars:
        if self.api_secret is None:
            raise InvalidValue(f"api_secret of bar source {self.name}", None, "given, as the provider is alpaca")
        access = AlpacaAccess(
            api_key=self._key(),
            api_secret=self.api_secret,
            feed=self.feed,
            base_url=self.base_url or DATA_URL,
            requests_per_minute=self.requests_per_minute or ALPACA_REQUESTS,
        )
        return AlpacaBars(self._named(), access=access, mic=self.mic, name=self.name)

    def _named(self) -> tuple[str, ...]:
        if not self.symbols:
            raise InvalidValue(f"symbols of bar source {self.name}", [], f"named when the provider is {self.provider}")
        return tuple(self.symbols)
