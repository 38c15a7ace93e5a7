"""Which provider gives quotes, option chains, minute bars, index levels, headlines and events, and how to reach it."""

from prefect.blocks.core import Block
from pydantic import Field

from adapters.alpaca_chains import AlpacaChains
from adapters.alpaca_news import AlpacaNews
from adapters.alpaca_quote_stream import AlpacaQuoteStream
from adapters.alpaca_quotes import AlpacaQuotes
from adapters.alpha_vantage_chains import AlphaVantageChains
from adapters.alpha_vantage_events import AlphaVantageIndicators
from adapters.alpha_vantage_news import AlphaVantageNews
from adapters.alpha_vantage_quotes import AlphaVantageQuotes
from adapters.ib.budget import gateway_budget
from adapters.ib.chains import IbChains
from adapters.ib.quote_source import IbQuoteSource
from adapters.ib.quotes import IbQuotes
from adapters.iqfeed.level1 import IqfeedQuotes
from adapters.iqfeed.minutes import IqfeedMinuteBars
from adapters.iqfeed.news import IqfeedNews
from adapters.massive_chains import MassiveChains
from adapters.massive_quotes import MassiveQuotes
from adapters.massive_reference import MassiveIndices, MassiveNews
from adapters.yahoo_chains import YahooChains
from adapters.yahoo_minute_bars import YahooMinuteBars
from adapters.yahoo_quotes import YahooQuotes
from adapters.yahoo_reference import YahooIndices
from blocks.desk import wall_clock
from blocks.provider_access import Provider, ProviderAccess
from trading.errors import InvalidValue
from trading.market.minute_bars import MinuteBarSource
from trading.market.minute_checks import MinutePolicy
from trading.market.quote_rules import QuotePolicy
from trading.market.quotes import QuoteSource, QuoteStream
from trading.market.reference import EventSource, IndexSource, NewsSource
from trading.options.chain_quality import ChainPolicy
from trading.options.chains import ChainSource


class MarketFeed(ProviderAccess, Block):
    """A provider of what is no daily bar: quotes, option chains, minute bars, index levels, headlines, events."""

    _block_type_name = "Openbell Market Feed"
    _block_type_slug = "openbell-market-feed"
    _description = "A provider of quotes, option chains, minute bars, index levels, headlines and events."

    provider: Provider = Field(
        default=Provider.YAHOO,
        description="quotes: yahoo, alpaca, massive, alpha_vantage, interactive_brokers, iqfeed (streaming only); "
        "chains: all but iqfeed; minute bars: yahoo, iqfeed; index levels: yahoo, massive; headlines: alpaca, massive, "
        "alpha_vantage, iqfeed; events: alpha_vantage.",
    )
    quote_quality: QuotePolicy = Field(default_factory=QuotePolicy, description="What its quotes must pass.")
    chain_quality: ChainPolicy = Field(default_factory=ChainPolicy, description="What its option chains must pass.")
    minute_quality: MinutePolicy = Field(default_factory=MinutePolicy, description="What its minute bars must pass.")

    def quotes(self) -> QuoteSource:
        """Return the source of quotes that are asked for."""
        match self.provider:
            case Provider.YAHOO:
                return YahooQuotes(self.yahoo(), now=wall_clock, mic=self.mic)
            case Provider.ALPACA:
                return AlpacaQuotes(access=self.alpaca(), now=wall_clock, name=self.name)
            case Provider.MASSIVE:
                return MassiveQuotes(self.massive(), now=wall_clock)
            case Provider.ALPHA_VANTAGE:
                return AlphaVantageQuotes(self.alpha_vantage(), now=wall_clock, mic=self.mic)
            case Provider.INTERACTIVE_BROKERS:
                return IbQuoteSource(settings=self.ib, now=wall_clock, budget=gateway_budget(self.ib), name=self.name)
            case _:
                raise self._without("quotes that are asked for")

    def stream(self) -> QuoteStream:
        """Return the stream of quotes."""
        match self.provider:
            case Provider.ALPACA:
                return AlpacaQuoteStream(access=self.alpaca(), now=wall_clock, name=self.name)
            case Provider.INTERACTIVE_BROKERS:
                return IbQuotes(settings=self.ib, now=wall_clock, budget=gateway_budget(self.ib))
            case Provider.IQFEED:
                return IqfeedQuotes(settings=self.iqfeed, now=wall_clock)
            case _:
                raise self._without("stream of quotes")

    def chains(self) -> ChainSource:
        """Return the source of option chains."""
        match self.provider:
            case Provider.YAHOO:
                return YahooChains(self.yahoo(), now=wall_clock, mic=self.mic)
            case Provider.ALPACA:
                return AlpacaChains(access=self.alpaca(), now=wall_clock, name=self.name)
            case Provider.MASSIVE:
                return MassiveChains(self.massive(), now=wall_clock)
            case Provider.ALPHA_VANTAGE:
                return AlphaVantageChains(self.alpha_vantage(), now=wall_clock, mic=self.mic)
            case Provider.INTERACTIVE_BROKERS:
                return IbChains(settings=self.ib, now=wall_clock, budget=gateway_budget(self.ib), name=self.name)
            case _:
                raise self._without("option chains")

    def minutes(self) -> MinuteBarSource:
        """Return the source of minute bars."""
        match self.provider:
            case Provider.YAHOO:
                return YahooMinuteBars(self.yahoo(), now=wall_clock, mic=self.mic)
            case Provider.IQFEED:
                return IqfeedMinuteBars(settings=self.iqfeed, now=wall_clock, mic=self.mic, name=self.name)
            case _:
                raise self._without("minute bars")

    def indices(self) -> IndexSource:
        """Return the source of index levels."""
        match self.provider:
            case Provider.YAHOO:
                return YahooIndices(self.yahoo())
            case Provider.MASSIVE:
                return MassiveIndices(self.massive())
            case _:
                raise self._without("index levels")

    def news(self) -> NewsSource:
        """Return the source of headlines."""
        match self.provider:
            case Provider.ALPACA:
                return AlpacaNews(access=self.alpaca(), name=self.name)
            case Provider.MASSIVE:
                return MassiveNews(self.massive())
            case Provider.ALPHA_VANTAGE:
                return AlphaVantageNews(self.alpha_vantage(), mic=self.mic)
            case Provider.IQFEED:
                return IqfeedNews(settings=self.iqfeed)
            case _:
                raise self._without("headlines")

    def events(self) -> EventSource:
        """Return the economic calendar."""
        if self.provider is Provider.ALPHA_VANTAGE:
            return AlphaVantageIndicators(self.alpha_vantage())
        raise self._without("economic calendar")

    def _without(self, kind: str) -> InvalidValue:
        rule = f"one that has this kind of data: {kind}; docs/providers.md says who has what"
        return InvalidValue(f"provider of {self.name}", self.provider, rule)
