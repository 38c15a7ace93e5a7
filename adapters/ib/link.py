"""The link between the gateway and IB, and the farms of data behind it, by the notices that come of them."""

from dataclasses import dataclass, field
from enum import StrEnum

from adapters.ib.session_states import SessionState

SUBSCRIPTIONS_LOST = (1101, 2104)
_LINK_LOST = (1100, 2110)
_LINK_BACK = (1101, 1102)
_FARM_WENT, _FARM_CAME = (2103, 2105), (2104, 2106)
FEED_LOST = (*_LINK_LOST, 2103)


class LinkNews(StrEnum):
    """What a notice means for the session."""

    LOST = "lost"
    BACK = "back"  # the link or a farm is; what may have been missed has to be asked for


@dataclass(slots=True)
class Link:
    """The link as one connection hears of it.

    Attributes:
        cut: the notice by which it was lost; empty while it is not.
    """

    cut: str = ""
    _farms: set[str] = field(default_factory=set)

    def take(self, code: int, text: str, state: SessionState) -> LinkNews | None:
        """Take a notice that came in a state of the session, and return what is new by it."""
        if code in _LINK_LOST:
            self.cut = f"{code}: {text}"
            return LinkNews.LOST
        if code in _FARM_WENT:
            self._farms.add(_farm(text))
        elif code in _FARM_CAME and (_farm(text) not in self._farms or state is not SessionState.READY):
            self._farms.add(_farm(text))  # at the login each says that it is there; or the link itself is not
        elif code in _LINK_BACK and state is SessionState.AUTHENTICATING:
            self.cut = ""
        elif code in (*_LINK_BACK, *_FARM_CAME) and state in (SessionState.READY, SessionState.DEGRADED):
            self.cut = ""
            return LinkNews.BACK
        return None


def _farm(text: str) -> str:
    """Return which farm a notice is about; "Market data farm connection is OK:usfarm" is about usfarm."""
    return text.rpartition(":")[2].strip()
