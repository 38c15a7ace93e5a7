"""Which provider gives quotes, option chains, minute bars, index levels, headlines and events, and how to reach it."""

from datetime import timedelta

from prefect.blocks.core import Block
from pydantic import Field

from adapters.alpaca_access import AlpacaFeed
from adapters.alpaca_chains import AlpacaChains
from adapters.alpaca_news import AlpacaNews
from adapters.alpaca_quote_stream import FREE_CHANNELS, AlpacaQuoteStream
from adapters.alpaca_quotes import AlpacaQuotes
from adapters.alpha_vantage_chains import AlphaVantageChains
from adapters.alpha_vantage_events import AlphaVantageIndicators
from adapters.alpha_vantage_news import AlphaVantageNews
from adapters.alpha_vantage_quotes import AlphaVantageQuotes
from adapters.ib.budget import gateway_budget
from adapters.ib.chains import IbChains
from adapters.ib.depth import MOST_BOOKS, IbDepth
from adapters.ib.quote_source import IbQuoteSource
from adapters.ib.quotes import IbQuotes
from adapters.iqfeed.level1 import IqfeedQuotes
from adapters.iqfeed.level2 import DepthFeed, IqfeedDepth
from adapters.iqfeed.minutes import IqfeedMinuteBars
from adapters.iqfeed.news import IqfeedNews
from adapters.massive_chains import MassiveChains
from adapters.massive_quotes import MassiveQuotes
from adapters.massive_reference import MassiveIndices, MassiveNews
from adapters.polled_ticks import PolledTicks
from adapters.synthetic_ticks import Levels, SyntheticTicks
from adapters.tapped_ticks import TappedStream, TappedTicks
from adapters.tick_tap import TickTap
from adapters.watched_books import WatchedBooks
from adapters.yahoo_chains import YahooChains
from adapters.yahoo_minute_bars import YahooMinuteBars
from adapters.yahoo_quotes import YahooQuotes
from adapters.yahoo_reference import YahooIndices
from blocks.desk import wall_clock
from blocks.provider_access import Provider, ProviderAccess
from trading.errors import InvalidValue
from trading.market.depth import DepthStream
from trading.market.minute_bars import MinuteBarSource
from trading.market.minute_checks import MinutePolicy
from trading.market.quote_rules import QuotePolicy
from trading.market.quotes import QuoteSource, QuoteStream
from trading.market.reference import EventSource, IndexSource, NewsSource
from trading.monitoring.tick_stream import TickStream
from trading.options.chain_quality import ChainPolicy
from trading.options.chains import ChainSource

_STREAMING = (Provider.ALPACA, Provider.INTERACTIVE_BROKERS, Provider.IQFEED)


class MarketFeed(ProviderAccess, Block):
    """A provider of what is no daily bar: quotes, option chains, minute bars, index levels, headlines, events."""

    _block_type_name = "Openbell Market Feed"
    _block_type_slug = "openbell-market-feed"
    _description = "A provider of quotes, option chains, minute bars, index levels, headlines and events."

    provider: Provider = Field(
        default=Provider.YAHOO,
        description="quotes: yahoo, alpaca, massive, alpha_vantage, interactive_brokers, iqfeed (streaming only); "
        "chains: all but iqfeed; minute bars: yahoo, iqfeed; index levels: yahoo, massive; headlines: alpaca, massive, "
        "alpha_vantage, iqfeed; events: alpha_vantage; ticks to watch: all that have quotes, and sample, which makes "
        "them up.",
    )
    poll_seconds: float = Field(
        default=5,
        gt=0,
        le=3600,
        description="Where ticks are watched and the provider streams none: time between asks.",
    )
    ticks_per_second: int = Field(
        default=100, ge=1, le=1_000_000, description="sample: how many ticks are made up in a second, to try the watch."
    )
    depth_symbols: int = Field(
        default=0,
        ge=0,
        le=500,
        description="iqfeed, and interactive_brokers up to 3: of how many symbols the order book is watched too, "
        "positions first. 0: of none.",
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
        return self._streaming(None, "stream of quotes")

    def ticks(self, levels: Levels) -> TickStream:
        """Return the stream of every trade and every change of the best quote; where there is none, quotes are polled.

        A tick bears the name of this feed.

        Args:
            levels: the prices that prices which are made up go about.
        """
        if self.provider is Provider.SAMPLE:
            return SyntheticTicks(ticks_per_second=self.ticks_per_second, name=self.name, levels=levels)
        if self.provider in _STREAMING:
            tap = TickTap()
            return TappedTicks(self.name, self._streaming(tap, "stream of ticks"), tap)
        return PolledTicks(self.quotes(), name=self.name, every=timedelta(seconds=self.poll_seconds), now=wall_clock)

    def books(self) -> WatchedBooks | None:
        """Return the order books that are to be watched, of no symbol yet; None where none are."""
        if not self.depth_symbols:
            return None
        return WatchedBooks(self._depth(), most=self.depth_symbols, now=wall_clock)

    def _depth(self) -> DepthStream:
        match self.provider:
            case Provider.IQFEED:
                return IqfeedDepth(settings=self.iqfeed, now=wall_clock, feed=DepthFeed.ORDERS)
            case Provider.INTERACTIVE_BROKERS if self.depth_symbols > MOST_BOOKS:
                raise InvalidValue(f"depth_symbols of {self.name}", self.depth_symbols, f"at most {MOST_BOOKS} at IB")
            case Provider.INTERACTIVE_BROKERS:
                return IbDepth(settings=self.ib, now=wall_clock, budget=gateway_budget(self.ib))
            case _:
                raise self._without("order books; or set depth_symbols to 0")

    @property
    def most_symbols(self) -> int | None:
        """Return of how many symbols its ticks can be had at once; None where nobody but the provider knows."""
        match self.provider:
            case Provider.INTERACTIVE_BROKERS:
                return self.ib.quote_lines
            case Provider.ALPACA if self.alpaca().feed is AlpacaFeed.IEX:
                return FREE_CHANNELS // 2  # one for the quotes of a symbol, one for its trades
            case _:
                return None

    def _streaming(self, tap: TickTap | None, kind: str) -> TappedStream:
        match self.provider:
            case Provider.ALPACA:
                return AlpacaQuoteStream(access=self.alpaca(), now=wall_clock, name=self.name, tap=tap)
            case Provider.INTERACTIVE_BROKERS:
                return IbQuotes(settings=self.ib, now=wall_clock, budget=gateway_budget(self.ib), tap=tap)
            case Provider.IQFEED:
                return IqfeedQuotes(settings=self.iqfeed, now=wall_clock, tap=tap)
            case _:
                raise self._without(kind)

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
