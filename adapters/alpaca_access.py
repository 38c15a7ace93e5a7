"""How Alpaca is reached: addresses, keys, the feed that is paid for, and how often all processes may ask."""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from pydantic import SecretStr

from adapters.json_api import without_key
from adapters.request_budget import RequestBudget, machine_budget
from trading.errors import InvalidValue
from trading.market.quotes import QuoteKind

NAME = "alpaca"
DATA_URL, STREAM_URL = "https://data.alpaca.markets", "wss://stream.data.alpaca.markets"
TRADING_URL = "https://paper-api.alpaca.markets"
A_MINUTE, ALPACA_REQUESTS = 60.0, 200  # of a plan without pay
SHOWN = 300  # characters of a foreign text
_KEY = re.compile(r"[!-~]+")  # what an HTTP header takes as it is


class AlpacaFeed(StrEnum):
    """Which trades and quotes Alpaca's are made of: those of one small exchange, of all, or of all 15 minutes ago."""

    IEX = "iex"
    SIP = "sip"
    DELAYED_SIP = "delayed_sip"

    @property
    def kind(self) -> QuoteKind:
        """Return how old its quotes are by contract."""
        return QuoteKind.DELAYED if self is AlpacaFeed.DELAYED_SIP else QuoteKind.LIVE

    @property
    def of_history(self) -> "AlpacaFeed":
        """Return the feed that has its history; what is older than 15 minutes the SIP gives to everybody."""
        return AlpacaFeed.SIP if self is AlpacaFeed.DELAYED_SIP else self


@dataclass(frozen=True, slots=True, kw_only=True)
class AlpacaAccess:
    """What all adapters of Alpaca need to ask it.

    Attributes:
        feed: IEX is free, and 2 to 3 % of the volume.
        base_url: of market data.
        stream_url: of quotes that arrive by themselves.
        trading_url: of the list of option contracts, which Alpaca keeps with its orders.
        timeout: for each request, to connect and between two bytes; and for room in the budget.
        requests_per_minute: of the plan; 200 are free.
        budget: taken from before each request; one for all processes of this machine with this key unless given.
    """

    api_key: SecretStr
    api_secret: SecretStr
    feed: AlpacaFeed = AlpacaFeed.IEX
    base_url: str = DATA_URL
    stream_url: str = STREAM_URL
    trading_url: str = TRADING_URL
    timeout: timedelta = timedelta(seconds=10)
    requests_per_minute: int = ALPACA_REQUESTS
    budget: RequestBudget | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("api_key", "api_secret"):
            if not _KEY.fullmatch(getattr(self, name).get_secret_value()):
                raise InvalidValue(f"{name} of {NAME}", "***", "not empty, of plain letters and signs without spaces")
        for name, scheme in (("base_url", "https?"), ("trading_url", "https?"), ("stream_url", "wss?")):
            address = getattr(self, name)
            if not re.fullmatch(rf"{scheme}://[^\s/@?#]+(/[^\s?#]*)?", address):
                example = "wss://host" if name == "stream_url" else "https://host"
                shown = "***" if "@" in address else address
                raise InvalidValue(f"{name} of {NAME}", shown, f"an address such as {example}, without a password")

    def shown(self, text: str) -> str:
        """Return a foreign text as it can be shown: one line, cut, and without the keys if they came back to us."""
        return " ".join(without_key(without_key(text, self.api_key), self.api_secret).split())[:SHOWN]

    def shared_budget(self) -> RequestBudget:
        """Return the budget of requests with this key; Alpaca counts them by account."""
        if self.budget is not None:
            return self.budget
        whose = hashlib.sha256(self.api_key.get_secret_value().encode()).hexdigest()[:16]
        return machine_budget(f"{NAME}-{whose}", limit=self.requests_per_minute, seconds=A_MINUTE)
