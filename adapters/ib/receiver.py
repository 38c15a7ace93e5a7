"""The receiver: what the library's decoder calls, message by message.

It stands where the library would have its own `Wrapper`, which feeds `Trade` objects that guess: `Wrapper.error` marks
orders canceled that live on (10349, ib_async #191 and #217), drops commissions that come before their execution, and
forgets every order when the socket closes. The decoder below it only translates. So the decoder is kept, unmodified,
and everything above it is ours.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC
from types import SimpleNamespace
from typing import Any, Protocol

from adapters.ib.decimals import exact_or_none

LONGEST_FRAME = 64 * 1024 * 1024  # no message of IB comes near; garbage read as a length does


class Listener(Protocol):
    """Who wants to know what was received."""

    def order_seen(self, contract: Any, order: Any, state: Any, *, completed: bool) -> None:
        """Take an openOrder or completedOrder."""

    def status_seen(self, order_id: int, perm_id: int, client_id: int, status: str, filled: float, why: str) -> None:
        """Take an orderStatus."""

    def execution_seen(self, contract: Any, execution: Any) -> None:
        """Take an execDetails."""

    def commission_seen(self, report: Any) -> None:
        """Take a commissionReport."""

    def error_seen(self, req_id: int, code: int, text: str) -> None:
        """Take an error that belongs to no question; -1 is a notice."""


class RequestRefused(Exception):
    """IB answered a question with an error."""

    def __init__(self, code: int, text: str) -> None:
        self.code, self.text = code, text
        super().__init__(f"{code}: {text}")


class Question:
    """A question that was asked, and what of its answer has come."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self.parts: list[Any] = []

    def add(self, part: Any) -> None:
        """Take a part of the answer."""
        self.parts.append(part)

    def end(self) -> None:
        """Complete the answer."""
        if not self.answer.done():
            self.answer.set_result(self.parts)

    def fail(self, exc: Exception) -> None:
        """End without an answer."""
        if not self.answer.done():
            self.answer.set_exception(exc)
            self.answer.exception()  # nobody may be waiting any more


Quotes = Callable[[int, str, Any], None]
DepthRow = Callable[[int, int, int, float, float], None]
# Notices that come with an answer: delayed data instead of live ones, parts of the data not paid for, an order held.
_WITH_ANSWER = (399, 10090, 10167)


def is_notice(code: int) -> bool:
    """Tell whether an error with the number of a question is none: the answer comes all the same."""
    return 2100 <= code < 2200 or code in _WITH_ANSWER


class Receiver:
    """One connection's incoming messages: answers go to their question, facts to the listener.

    The names are the decoder's.
    """

    defaultTimezone = UTC  # noqa: N815

    def __init__(self, listener: Listener, time_zone: str) -> None:
        self._listener = listener
        self.ib = SimpleNamespace(TimezoneTWS=time_zone)  # where the decoder looks for the zone of times without one
        self.questions: dict[int | str, Question] = {}
        self.snapshots: set[int] = set()  # questions whose ticks are their answer
        self.highest_order_id = 0
        self.on_login: Callable[[], None] = lambda: None
        self.on_quote: Quotes = lambda _req_id, _what, _value: None
        self.on_depth: dict[int, DepthRow] = {}  # by question

    def ask(self, key: int | str) -> Question:
        """Return a new question under that key."""
        self.questions[key] = question = Question()
        return question

    def fail_all(self, exc: Exception) -> None:
        """End every question without an answer."""
        for question in self.questions.values():
            question.fail(exc)
        self.questions.clear()

    def _add(self, key: int | str, part: Any) -> None:
        if (question := self.questions.get(key)) is not None:
            question.add(part)

    def _end(self, key: int | str) -> None:
        if (question := self.questions.pop(key, None)) is not None:
            question.end()

    # -- the session

    def connectAck(self) -> None:  # noqa: N802, D102
        self.on_login()

    def connectionClosed(self) -> None:  # noqa: N802
        """Do nothing: the connection listens to the socket itself."""

    def setEventsDone(self) -> None:  # noqa: N802
        """Do nothing: there are no events of trades."""

    def currentTime(self, at: int) -> None:  # noqa: N802, D102
        self._add("time", at)
        self._end("time")

    def error(self, req_id: int, code: int, text: str, _advanced: str = "") -> None:  # noqa: D102
        question = self.questions.get(req_id)
        if question is None:
            self._listener.error_seen(req_id, code, text)
        elif not is_notice(code):
            del self.questions[req_id]
            question.fail(RequestRefused(code, text))

    # -- orders

    def openOrder(self, order_id: int, contract: Any, order: Any, state: Any) -> None:  # noqa: N802, D102
        self.highest_order_id = max(self.highest_order_id, order_id)
        if order.whatIf:
            if exact_or_none(state.initMarginChange) is not None:  # one without it comes first at times
                self._add(order_id, state)
                self._end(order_id)
        else:
            self._listener.order_seen(contract, order, state, completed=False)

    def openOrderEnd(self) -> None:  # noqa: N802, D102
        self._end("open orders")

    def completedOrder(self, contract: Any, order: Any, state: Any) -> None:  # noqa: N802, D102
        self._listener.order_seen(contract, order, state, completed=True)

    def completedOrdersEnd(self) -> None:  # noqa: N802, D102
        self._end("completed orders")

    def orderStatus(  # noqa: N802, D102
        self,
        order_id: int,
        status: str,
        filled: float,
        _remaining: float,
        _avg_px: float,
        perm_id: int,
        _parent_id: int,
        _last_px: float,
        client_id: int,
        why_held: str,
        _cap_px: float = 0.0,
    ) -> None:
        self._listener.status_seen(order_id, perm_id, client_id, status, filled, why_held)

    def orderBound(self, _perm_id: int, _client_id: int, _order_id: int) -> None:  # noqa: N802
        """Do nothing: an order by hand is known by its PermId."""

    def execDetails(self, _req_id: int, contract: Any, execution: Any) -> None:  # noqa: N802, D102
        self.highest_order_id = max(self.highest_order_id, execution.orderId if execution.orderId < 2**31 - 1 else 0)
        self._listener.execution_seen(contract, execution)

    def execDetailsEnd(self, req_id: int) -> None:  # noqa: N802, D102
        self._end(req_id)

    def commissionReport(self, report: Any) -> None:  # noqa: N802, D102
        self._listener.commission_seen(report)

    # -- the account

    def position(self, account: str, contract: Any, qty: float, _avg_cost: float) -> None:  # noqa: D102
        self._add("positions", (account, contract, qty))

    def positionEnd(self) -> None:  # noqa: N802, D102
        self._end("positions")

    def accountUpdateMulti(  # noqa: N802, D102
        self, req_id: int, account: str, _model: str, key: str, value: str, currency: str
    ) -> None:
        self._add(req_id, (account, key, value, currency))

    def accountUpdateMultiEnd(self, req_id: int) -> None:  # noqa: N802, D102
        self._end(req_id)

    # -- contracts and bars

    def contractDetails(self, req_id: int, details: Any) -> None:  # noqa: N802, D102
        self._add(req_id, details)

    bondContractDetails = contractDetails  # noqa: N815

    def contractDetailsEnd(self, req_id: int) -> None:  # noqa: N802, D102
        self._end(req_id)

    def marketRule(self, rule_id: int, steps: list[Any]) -> None:  # noqa: N802, D102
        key = f"market rule {rule_id}"
        for step in steps:
            self._add(key, step)
        self._end(key)

    def historicalData(self, req_id: int, bar: Any) -> None:  # noqa: N802, D102
        self._add(req_id, bar)

    def historicalDataEnd(self, req_id: int, _start: str, _end: str) -> None:  # noqa: N802, D102
        self._end(req_id)

    def securityDefinitionOptionParameter(  # noqa: N802, D102
        self,
        req_id: int,
        exchange: str,
        _under_con_id: str,
        trading_class: str,
        multiplier: str,
        expiries: list[str],
        _strikes: list[float],
    ) -> None:
        self._add(req_id, (exchange, trading_class, multiplier, tuple(expiries)))

    def securityDefinitionOptionParameterEnd(self, req_id: int) -> None:  # noqa: N802, D102
        self._end(req_id)

    # -- quotes: of a snapshot to its question, of a line to who listens

    def priceSizeTick(self, req_id: int, tick_type: int, px: float, size: float) -> None:  # noqa: N802, D102
        self._quoted(req_id, "px", (tick_type, px, size))

    def tickSize(self, req_id: int, tick_type: int, size: float) -> None:  # noqa: N802, D102
        self._quoted(req_id, "size", (tick_type, size))

    def tickString(self, req_id: int, tick_type: int, text: str) -> None:  # noqa: N802, D102
        self._quoted(req_id, "text", (tick_type, text))

    def marketDataType(self, req_id: int, kind: int) -> None:  # noqa: N802, D102
        self._quoted(req_id, "type", kind)

    def tickSnapshotEnd(self, req_id: int) -> None:  # noqa: N802, D102
        self._end(req_id)

    def tickOptionComputation(self, *_values: float) -> None:  # noqa: N802
        """Do nothing: implied volatility and Greeks are computed by us."""

    def _quoted(self, req_id: int, what: str, value: Any) -> None:
        if req_id in self.snapshots:
            self._add(req_id, (what, value))
        else:
            self.on_quote(req_id, what, value)

    # -- rows of order books

    def updateMktDepth(  # noqa: N802, D102
        self, req_id: int, position: int, operation: int, side: int, px: float, size: float
    ) -> None:
        if (take := self.on_depth.get(req_id)) is not None:
            take(position, operation, side, px, size)

    def updateMktDepthL2(  # noqa: N802, D102
        self,
        req_id: int,
        position: int,
        _maker: str,
        operation: int,
        side: int,
        px: float,
        size: float,
        _is_smart: bool = False,
    ) -> None:
        self.updateMktDepth(req_id, position, operation, side, px, size)
