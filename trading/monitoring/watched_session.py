"""What is watched: symbols over one session, and what is usual of them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from trading.errors import InvalidValue
from trading.monitoring.tick_batch import FloatArray, TimeArray

SECOND_US = 1_000_000
_MINUTE_US = 60 * SECOND_US
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WatchedSession:
    """The watch list of one session.

    Attributes:
        symbols: each once; their order is that of every array.
        open_at: from here on prices are sampled, and volume and extremes count; aware, a whole second.
        close_at: aware. Trades after it count too, for the auction at the close prints late.
        previous_closes: in the prices of today; NaN where not known.
        usual_volumes: units usually traded from the open to the end of each minute, shape (minutes, symbols); None
            where nothing is known, NaN for a symbol of which nothing is.
    """

    symbols: tuple[str, ...]
    open_at: datetime
    close_at: datetime
    previous_closes: FloatArray
    usual_volumes: FloatArray | None = None
    open_us: int = field(init=False)

    def __post_init__(self) -> None:
        if not self.symbols or len(set(self.symbols)) < len(self.symbols):
            raise InvalidValue("symbols", f"{len(self.symbols)} of them", "at least one, and each once")
        if self.open_at.microsecond or not self.open_at < self.close_at:
            raise InvalidValue("open_at", self.open_at.isoformat(), "a whole second before the close")
        if self.previous_closes.shape != (len(self.symbols),):
            raise InvalidValue("previous_closes", self.previous_closes.shape, "one for each symbol")
        if not (
            np.isnan(self.previous_closes) | ((self.previous_closes > 0) & np.isfinite(self.previous_closes))
        ).all():
            raise InvalidValue("previous_closes", float(np.nanmin(self.previous_closes)), "above 0, or NaN")
        self._check_usual_volumes()
        object.__setattr__(self, "open_us", (self.open_at - _EPOCH) // timedelta(microseconds=1))

    def usual_volume(self, at_us: int, from_us: TimeArray) -> FloatArray:
        """Return the volume usual from the open, or a later time of each symbol, to that time, by symbol.

        Linear within each minute. NaN where nothing is known, and in the first minute of it: of that of the session
        the auction at the open is most.
        """
        usual: FloatArray = np.full(len(self.symbols), np.nan)
        if self.usual_volumes is None or at_us < self.open_us + _MINUTE_US:
            return usual
        by_now, begins = _by_then(self.usual_volumes, at_us - self.open_us), np.maximum(from_us, self.open_us)
        for begin in np.unique(begins[begins <= at_us - _MINUTE_US]).tolist():
            before = _by_then(self.usual_volumes, begin - self.open_us)
            usual = np.where(begins == begin, by_now - before, usual)
        return usual

    def _check_usual_volumes(self) -> None:
        if self.usual_volumes is None:
            return
        wanted = (-((self.open_at - self.close_at) // timedelta(minutes=1)), len(self.symbols))
        if self.usual_volumes.shape != wanted:
            raise InvalidValue(
                "usual_volumes", self.usual_volumes.shape, f"{wanted}: minutes of the session by symbols"
            )
        if (
            (self.usual_volumes < 0).any()
            or np.isinf(self.usual_volumes).any()
            or (np.diff(self.usual_volumes, axis=0) < 0).any()
        ):
            raise InvalidValue("usual_volumes", "a value", "0 or more, and never falling within the session")


def _by_then(usual_volumes: FloatArray, since_open_us: int) -> FloatArray:
    minute, rest = divmod(since_open_us, _MINUTE_US)
    last = len(usual_volumes) - 1
    before = usual_volumes[min(minute - 1, last)] if minute else np.zeros_like(usual_volumes[0])
    by_then: FloatArray = before + (usual_volumes[min(minute, last)] - before) * (rest / _MINUTE_US)
    return by_then
