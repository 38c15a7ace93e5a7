"""Polled quotes as ticks: what has changed is told, and no trade that nothing shows."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from adapters.polled_ticks import PolledTicks
from adapters.tick_tap import microseconds
from tests.adapters.ib.ib_desk import until
from tests.adapters.taken_ticks import EVER, taken
from trading.errors import SourceUnavailable
from trading.market.bars import FetchOutcome, FetchStatus
from trading.market.quotes import FetchedQuotes, Quotes, quotes_frame

NOON = datetime(2024, 1, 2, 17, tzinfo=UTC)


class Answers:
    """A source that gives the same answers in turn, and the last one for ever."""

    name = "answers"

    def __init__(self, *answers: dict[str, object] | str) -> None:
        self.asked: list[tuple[str, ...]] = []
        self._answers = answers

    def fetch(self, symbols: Sequence[str]) -> FetchedQuotes:
        self.asked.append(tuple(symbols))
        answer = self._answers[min(len(self.asked), len(self._answers)) - 1]
        if isinstance(answer, str):
            raise SourceUnavailable(self.name, answer)
        frame = quotes_frame(pd.DataFrame([{"symbol": "AAPL", **answer}]))
        outcomes = [
            FetchOutcome(symbol=s, status=FetchStatus.OK if s == "AAPL" else FetchStatus.UNKNOWN_SYMBOL, text="what?")
            for s in symbols
        ]
        return FetchedQuotes(quotes=Quotes(frame=frame, source=self.name, received_at=NOON), outcomes=tuple(outcomes))


def polled(source: Answers) -> PolledTicks:
    return PolledTicks(source, name="polled", every=timedelta(milliseconds=1), now=lambda: NOON)


def at(second: int) -> datetime:
    return NOON - timedelta(seconds=60 - second)


async def test_a_quote_is_told_once_and_again_when_it_has_changed():
    quote = {"bid": 10.0, "ask": 11.0, "bid_size": 1.0, "quoted_at": at(1)}
    source = Answers(quote, quote, quote | {"ask": 12.0}, quote | {"ask": np.nan})
    ticks = polled(source)

    await ticks.subscribe({"AAPL": 4})
    batch = await taken(ticks, quotes=3)
    await until(lambda: len(source.asked) > 8)
    await ticks.close()

    assert batch.quote_symbol.tolist() == [4, 4, 4]
    assert [str(ask) for ask in batch.ask] == ["11.0", "12.0", "nan"]
    assert set(batch.quoted_at) == {microseconds(at(1))}
    assert set(batch.quote_received_at) == {microseconds(NOON)}
    assert len(ticks.take(EVER)) == 0


async def test_a_last_price_is_a_trade_only_when_its_time_says_so():
    """Of six answers the fourth alone shows a trade: later than the one before, and at another price."""
    source = Answers(
        {"last": 10.0, "quoted_at": at(1)},
        {"last": 10.5, "quoted_at": at(1)},
        {"last": 10.5, "quoted_at": at(2)},
        {"last": 10.6, "quoted_at": at(3)},
        {"last": 10.7},
        {"last": 10.8, "bid": 1.0},
    )
    ticks = polled(source)

    await ticks.subscribe({"AAPL": 0})
    await until(lambda: len(source.asked) > 7)
    batch = ticks.take(EVER)
    await ticks.close()

    assert batch.trade_px.tolist() == [10.6]
    assert np.isnan(batch.trade_size).all()
    assert batch.traded_at.tolist() == [microseconds(at(3))]


async def test_a_source_that_is_away_is_asked_again_and_what_it_does_not_know_is_said():
    source = Answers("no answer", {"bid": 10.0, "ask": 11.0})
    ticks = polled(source)

    await ticks.subscribe({"AAPL": 0, "NONE": 1})
    await until(ticks.problems)
    first = dict(ticks.problems())
    await taken(ticks, quotes=1)

    assert first in ({"AAPL": "no answer", "NONE": "no answer"}, {"NONE": "what?"})
    assert ticks.problems() == {"NONE": "what?"}
    await ticks.unsubscribe(["AAPL", "NONE"])
    asked = len(source.asked)
    await ticks.subscribe({"AAPL": 0})
    await until(lambda: len(source.asked) > asked)
    assert source.asked[-1] == ("AAPL",)
    await ticks.close()
