"""Whether IQConnect is connected to DTN, by its admin port.

Source: the order of the values of `S,STATS` as in github.com/akapur/pyiqfeed, conn.py, `ConnStatsMsg`.
"""

from dataclasses import dataclass

from adapters.iqfeed.iqfeed_settings import NAME, IqfeedSettings
from adapters.iqfeed.line_socket import open_line_socket
from trading.errors import SourceUnavailable

STATS, STATE_AT = "S,STATS,", 12
LINES_WITHOUT = 100  # statistics come every second, and little else


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedStatus:
    """What IQConnect says of itself.

    Attributes:
        is_connected: to DTN's servers; without them nothing comes.
        symbol_limit: symbols that the account may watch.
        version: of IQConnect.
    """

    is_connected: bool
    symbol_limit: int
    watched: int
    version: str


def feed_status(settings: IqfeedSettings) -> FeedStatus:
    """Ask IQConnect how it is.

    Raises:
        SourceUnavailable: it does not run, or says nothing that can be read.
    """
    with open_line_socket(settings, settings.admin_port) as lines:
        for _ in range(LINES_WITHOUT):
            said = lines.line()
            if said.startswith(STATS):
                return _read(said)
    raise SourceUnavailable(NAME, f"IQConnect at {settings.host}:{settings.admin_port} sends no statistics")


def _read(said: str) -> FeedStatus:
    fields = said.split(",")
    if len(fields) <= STATE_AT + 1 or not (fields[4].isdecimal() and fields[5].isdecimal()):
        raise SourceUnavailable(NAME, f"IQConnect's statistics are {said!r}, which cannot be read")
    return FeedStatus(
        is_connected=fields[STATE_AT] == "Connected",
        symbol_limit=int(fields[4]),
        watched=int(fields[5]),
        version=fields[STATE_AT + 1],
    )
