"""How a provider of market data is reached: address, keys, pace."""

from datetime import timedelta
from enum import StrEnum

from pydantic import BaseModel, Field, SecretStr, field_validator

from adapters import alpha_vantage_bars, massive_api, nasdaq_data_link_bars
from adapters.alpaca_access import ALPACA_REQUESTS, DATA_URL, STREAM_URL, TRADING_URL, AlpacaAccess, AlpacaFeed
from adapters.alpha_vantage_api import AlphaVantageApi
from adapters.ib.ib_settings import IbSettings
from adapters.iqfeed.iqfeed_settings import IqfeedSettings
from adapters.massive_api import MassiveApi
from adapters.source_budget import RequestLimit, SourceBudget, source_budget
from adapters.us_symbols import US_MICS
from adapters.yahoo_access import YahooAccess
from trading.errors import InvalidValue


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


class ProviderAccess(BaseModel):
    """The part of a block's settings that says which provider is asked, and how."""

    name: str = Field(description="Recorded with all it gives; one name is one price basis for ever.", min_length=1)
    provider: Provider
    mic: str = Field(default="XNYS", description="ISO 10383 code of the exchange whose calendar the data follow.")
    base_url: str | None = Field(
        default=None,
        description="yahoo, alpaca, alpha_vantage, massive, nasdaq_data_link: another address to ask, as a proxy's.",
    )
    api_key: SecretStr | None = Field(
        default=None,
        description="alpaca, alpha_vantage, massive, nasdaq_data_link: your key; never shown, logged or stored "
        "elsewhere.",
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
    ib: IbSettings = Field(default_factory=IbSettings, description="interactive_brokers: where TWS or IB Gateway is.")
    iqfeed: IqfeedSettings = Field(default_factory=IqfeedSettings, description="iqfeed: where IQConnect listens.")

    @field_validator("provider", mode="before")
    @classmethod
    def _is_open(cls, value: object) -> object:
        if isinstance(value, str) and (why := CLOSED.get(value.lower().replace(" ", "_"))) is not None:
            raise ValueError(f"{why}; {_INSTEAD}")
        return value

    def yahoo(self) -> YahooAccess:
        """Return how Yahoo is asked."""
        return YahooAccess(self.base_url, name=self.name)

    def alpha_vantage(self) -> AlphaVantageApi:
        """Return how Alpha Vantage is asked for what is no bar; the same budget counts all requests."""
        return AlphaVantageApi(api_key=self.key(), base_url=self.base_url, budget=self.budget(), name=self.name)

    def massive(self) -> MassiveApi:
        """Return how Massive is asked."""
        return MassiveApi(api_key=self.key(), base_url=self.base_url, budget=self.budget(), name=self.name)

    def key(self) -> SecretStr:
        """Return the key, or raise InvalidValue when there is none, or the exchange is not one of the provider's."""
        if self.api_key is None:
            raise InvalidValue(f"api_key of {self.name}", None, f"given, as the provider is {self.provider}")
        if self.mic not in US_MICS:
            rule = f"a US exchange, as {self.provider} does not say in which currency it quotes"
            raise InvalidValue(f"mic of {self.name}", self.mic, rule)
        return self.api_key

    def budget(self) -> SourceBudget | None:
        """Return how often the provider may be asked; None where that is not limited."""
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

    def alpaca(self) -> AlpacaAccess:
        """Return how Alpaca is asked; with an address of one's own, for all that it has."""
        if self.api_secret is None:
            raise InvalidValue(f"api_secret of {self.name}", None, "given, as the provider is alpaca")
        own = self.base_url
        return AlpacaAccess(
            api_key=self.key(),
            api_secret=self.api_secret,
            feed=self.feed,
            base_url=own or DATA_URL,
            trading_url=own or TRADING_URL,
            stream_url=own.replace("http", "ws", 1) if own else STREAM_URL,
            requests_per_minute=self.requests_per_minute or ALPACA_REQUESTS,
        )
