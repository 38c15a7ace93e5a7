"""What a stream of ticks gives, as soon as so much has come."""

import numpy as np

from tests.adapters.ib.ib_desk import until
from trading.monitoring.tick_batch import TickBatch
from trading.monitoring.tick_stream import TickStream

EVER = 2**62
_COLUMNS = [name for name in TickBatch.__slots__ if name != "one_sided_rows"]


async def taken(ticks: TickStream, *, trades: int = 0, quotes: int = 0, ask: float | None = None) -> TickBatch:
    """Return what came, as soon as so many trades and quotes have come, and that ask."""
    batches: list[TickBatch] = []

    def enough() -> bool:
        batches.append(ticks.take(EVER))
        has_ask = ask is None or any(ask in batch.ask for batch in batches)
        trades_came, quotes_came = sum(len(b.trade_px) for b in batches), sum(len(b.bid) for b in batches)
        return has_ask and trades_came >= trades and quotes_came >= quotes

    await until(enough)
    return together(*batches)


def together(*batches: TickBatch) -> TickBatch:
    """Return the ticks of all, in order."""
    return TickBatch(**{name: np.concatenate([getattr(b, name) for b in batches]) for name in _COLUMNS})
