"""How a price, a moment and the market's values are written in the protocol.

Source: layouts of level 1 and history as in github.com/mathpaquette/IQFeed.CSharpApiClient and
github.com/akapur/pyiqfeed; of protocol 6.2 as in the recordings of github.com/mpdroog/docker-iqfeed (README).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from iqfeed_server.market import Bar, Level, Story, Tick

DEFAULT_FIELDS: Final = (
    "Symbol",
    "Most Recent Trade",
    "Most Recent Trade Size",
    "Most Recent Trade Time",
    "Most Recent Trade Market Center",
    "Total Volume",
    "Bid",
    "Bid Size",
    "Ask",
    "Ask Size",
    "Open",
    "High",
    "Low",
    "Close",
    "Message Contents",
    "Most Recent Trade Conditions",
)
FURTHER_FIELDS: Final = ("Delay", "Bid Time", "Ask Time", "TickID", "Decimal Precision", "Most Recent Trade Date")
FUNDAMENTAL_FIELDS: Final = 57


def px(cents: int | None) -> str:
    """Write a price; nothing for none."""
    return "" if cents is None else f"{cents / 100:.4f}"


def stamp(at: datetime) -> str:
    """Write the time stamp message."""
    return f"T,{at:%Y%m%d %H:%M:%S}"


def values(symbol: str, tick: Tick, at: datetime, delay: int) -> Mapping[str, str]:
    """Return what is known of a symbol by the name of the update field; others are empty."""
    return {
        "Symbol": symbol,
        "Most Recent Trade": px(tick.last),
        "Most Recent Trade Size": str(tick.last_size),
        "Most Recent Trade Time": f"{at:%H:%M:%S.%f}",
        "Most Recent Trade Date": f"{at:%m/%d/%Y}",
        "Most Recent Trade Market Center": "19",
        "Bid": px(tick.bid),
        "Bid Size": str(tick.bid_size),
        "Bid Time": f"{at:%H:%M:%S.%f}",
        "Ask": px(tick.ask),
        "Ask Size": str(tick.ask_size),
        "Ask Time": f"{at:%H:%M:%S.%f}",
        "Message Contents": "Cba",
        "Most Recent Trade Conditions": "01",
        "Delay": str(delay),
        "Decimal Precision": "2",
    }


def update(kind: str, fields: Sequence[str], known: Mapping[str, str]) -> str:
    """Write a summary (P) or an update (Q)."""
    return f"{kind},{','.join(known.get(field, '') for field in fields)},"


def fundamental(symbol: str) -> str:
    """Write a fundamental message of which only the symbol is known."""
    return f"F,{symbol}{',' * FUNDAMENTAL_FIELDS}"


def price_level(kind: str, symbol: str, level: Level, at: datetime) -> str:
    """Write a price level: a summary (7) or an update (8)."""
    where = f"{symbol},{level.side},{px(level.price)},{level.size},{level.orders}"
    return f"{kind},{where},2,{at:%H:%M:%S.%f},{at:%Y-%m-%d},"


def gone_level(symbol: str, level: Level, at: datetime) -> str:
    """Write that a price level is gone (9)."""
    return f"9,{symbol},{level.side},{px(level.price)},{at:%H:%M:%S.%f},{at:%Y-%m-%d},"


def order(kind: str, symbol: str, level: Level, at: datetime) -> str:
    """Write what a market maker quotes: a summary (6) or an update (4); it has no order id."""
    where = f"{symbol},,{level.maker},{level.side},{px(level.price)},{level.size}"
    return f"{kind},{where},,2,{at:%H:%M:%S.%f},{at:%Y-%m-%d},"


def day_row(bar: Bar) -> str:
    """Write a daily bar: day, high, low, open, close, volume, open interest."""
    return f"LH,{bar.starts:%Y-%m-%d},{_prices(bar)},{bar.volume},0,"


def minute_row(bar: Bar, total: int) -> str:
    """Write an interval bar: time, high, low, open, close, volume of the day so far and of the bar, trades."""
    return f"LH,{bar.starts:%Y-%m-%d %H:%M:%S},{_prices(bar)},{total},{bar.volume},0,"


def headline(story: Story) -> str:
    """Write a headline."""
    symbols = "".join(f":{symbol}:" for symbol in story.symbols)
    return f"N,{story.source},{story.story_id},{symbols},{story.at:%Y%m%d%H%M%S},{story.title},"


def stats(connected: bool, watched: int, limit: int, clients: int, at: datetime) -> str:
    """Write the statistics that IQConnect sends to its administrators every second."""
    now, state = f"{at:%b %d %I:%M%p}", "Connected" if connected else "Not Connected"
    return (
        f"S,STATS,127.0.0.1,60002,{limit},{watched},{clients},0,0,0,{now},{now if connected else ''},{state},"
        f"6.2.0.25,OPENBELL,0.55,0.02,0.03,3.94,0.11,0.18,"
    )


def _prices(bar: Bar) -> str:
    return ",".join(px(price) for price in (bar.high, bar.low, bar.open, bar.close))
