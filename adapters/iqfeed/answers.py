"""What was answered to each symbol that was to be watched."""

import asyncio
from collections.abc import Iterable, Mapping
from enum import StrEnum

from adapters.iqfeed.iqfeed_settings import NAME
from trading.errors import SourceUnavailable, UnknownSymbol


class Answer(StrEnum):
    """What IQConnect said to a symbol."""

    WATCHED = "is watched"
    UNKNOWN = "is not known"
    OVER_LIMIT = "is one more than may be watched; unsubscribe some, or book more at DTN"
    NO_DEPTH = "has no order book of this kind; see `feed`"
    LOST = "was not answered, the connection was lost"
    NONE = "was not answered in time"


class Answers:
    """Symbols that wait for an answer."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[Answer]] = {}

    def expect(self, symbols: Iterable[str]) -> None:
        """Have these symbols wait."""
        loop = asyncio.get_running_loop()
        self._waiting.update((symbol, loop.create_future()) for symbol in symbols)

    def settle(self, symbol: str, answer: Answer) -> None:
        """Take in an answer; one that nobody waits for changes nothing."""
        if (waiting := self._waiting.pop(symbol, None)) is not None and not waiting.done():
            waiting.set_result(answer)

    def settle_all(self, answer: Answer) -> None:
        """Take in one answer for all that wait."""
        for symbol in tuple(self._waiting):
            self.settle(symbol, answer)

    async def gather(self, symbols: Iterable[str], seconds: float) -> Mapping[str, Answer]:
        """Return the answers, waiting for them no longer than that."""
        expected = {symbol: self._waiting[symbol] for symbol in symbols if symbol in self._waiting}
        if expected:
            await asyncio.wait(expected.values(), timeout=seconds)
        for symbol in expected:
            self.settle(symbol, Answer.NONE)
        return {symbol: future.result() for symbol, future in expected.items()}


def raise_refusals(answers: Mapping[str, Answer]) -> None:
    """Raise what speaks against the symbols that are not watched.

    Raises:
        UnknownSymbol: some are not known, and nothing else is wrong.
        SourceUnavailable: some are not watched for another reason.
    """
    unknown = [symbol for symbol, answer in answers.items() if answer is Answer.UNKNOWN]
    others = {symbol: answer for symbol, answer in answers.items() if answer not in {Answer.UNKNOWN, Answer.WATCHED}}
    if others:
        first, answer = next(iter(others.items()))
        more = f" (and {len(others) - 1} more are not watched)" if len(others) > 1 else ""
        raise SourceUnavailable(NAME, f"{first} {answer.value}{more}")
    if unknown:
        raise UnknownSymbol(unknown, NAME)
