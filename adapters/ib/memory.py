"""What one connection knows of the orders: the server's messages joined by PermId and told on as things heard.

Nothing here is guessed. An order is what openOrder, orderStatus, completedOrder and execDetails say; an error counts
as far as the table of error codes says.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from adapters.ib.decimals import exact, exact_or_none
from adapters.ib.error_codes import ErrorClass, classify
from adapters.ib.executions import Executions
from adapters.ib.heard import Heard, Terms
from adapters.ib.orders import side_of, terms_of
from trading.orders.executions import ExecType
from trading.orders.orders import NewOrderSingle, OrdStatus, Side

_ZERO = Decimal(0)
_WORKING = frozenset({"PreSubmitted", "Submitted"})
_PENDING = frozenset({"PendingSubmit", "ApiPending"})
_CANCELED = frozenset({"Cancelled", "ApiCancelled"})
_MANUAL = "ib-"  # and PermId: the ClOrdID of an order that carries none, since it was not made here


@dataclass(slots=True, kw_only=True)
class KnownOrder:
    """One order as the server last stated it.

    Attributes:
        perm_id: IB's number for ever; an order of ours that was changed in an outage may have two.
        order_id: 0 where the server did not say it (completed orders).
        contract: the library's, to change the order with.
        order: likewise.
        status: the server's word.
        is_done: it can no longer trade.
        error: the last error of a refusing class, with its code.
        asked_filled: what was filled when all executions were last asked for.
        generation: of the synchronisation that last told of it.
    """

    perm_id: int
    account: str
    cl_ord_id: str
    order_id: int
    client_id: int
    symbol: str
    side: Side
    terms: Terms
    contract: Any
    order: Any
    status: str = ""
    filled: Decimal = _ZERO
    is_done: bool = False
    is_acknowledged: bool = False
    is_held: bool = False
    error: str = ""
    asked_filled: Decimal = _ZERO
    generation: int = 0


@dataclass(slots=True, kw_only=True)
class Sent:
    """An order or a change that was sent on this connection and may be answered by an error.

    Attributes:
        refusal: the refusing error that came for it.
        unclear: an error that proves nothing.
    """

    cl_ord_id: str
    order: NewOrderSingle | None = None
    refusal: str = ""
    unclear: str = ""


@dataclass(slots=True, kw_only=True)
class Memory:
    """All of one connection.

    Args:
        tell: called with each thing heard.
        symbol_of: our symbol of a contract; None where its legs are not known yet.
        later: calls a function after so many seconds.
    """

    tell: Callable[[Heard], None]
    symbol_of: Callable[[Any], str | None]
    own_codes: Mapping[int, ErrorClass]
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    later: Callable[[float, Callable[[], None]], object]
    commission_seconds: float
    executions: Executions = field(init=False)
    orders: dict[int, KnownOrder] = field(default_factory=dict)
    sent: dict[int, Sent] = field(default_factory=dict)
    strange: list[tuple[Any, Any, Any, bool]] = field(default_factory=list)
    generation: int = 0
    _statuses: dict[int, tuple[str, float, str]] = field(default_factory=dict)
    _said: dict[str, set[ExecType]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.executions = Executions(
            tell=self._speak, monotonic=self.monotonic, later=self.later, commission_seconds=self.commission_seconds
        )

    # -- what may be asked

    def of(self, cl_ord_id: str) -> list[KnownOrder]:
        """Return the orders that carry our id; after an outage there may be more than one."""
        return [known for known in self.orders.values() if known.cl_ord_id == cl_ord_id]

    def heard_of(self, cl_ord_id: str) -> bool:
        """Tell whether the server, or a refusal of ours, has said anything of the order."""
        return cl_ord_id in self._said

    def answered(self, cl_ord_id: str) -> bool:
        """Tell whether more was said than that it is on its way."""
        return bool(self._said.get(cl_ord_id, set()) - {ExecType.PENDING_NEW})

    def working(self, account: str) -> list[KnownOrder]:
        """Return the account's orders that may still trade."""
        named = [k for k in self.orders.values() if k.generation == self.generation]
        return [k for k in named if k.account == account and not k.is_done]

    def lacks_executions(self) -> bool:
        """Tell whether the server has stated more fills than executions were heard, even when asked for all."""
        return any(k.filled > max(k.asked_filled, self.executions.qty_of(k.perm_id)) for k in self.orders.values())

    def asked(self) -> None:
        """Note that orders and executions have been told in full; IB tells today's executions only."""
        for known in self.orders.values():
            known.asked_filled = known.filled
            if known.status == "Filled" and known.filled > self.executions.qty_of(known.perm_id):
                self._tell(known, ExecType.ORDER_STATUS, "filled", OrdStatus.FILLED)

    def reject(self, order: NewOrderSingle, text: str) -> None:
        """Tell that an order was not taken, for what IB said of it before it was sent."""
        self._reject(order.account, order.cl_ord_id, "", order.symbol, order.side, text)

    # -- what the server says

    def order_seen(self, contract: Any, order: Any, state: Any, *, completed: bool) -> None:
        """Take an openOrder or completedOrder."""
        if not order.permId:
            return  # an echo of what is not at IB yet
        symbol = self.symbol_of(contract)
        if symbol is None:
            self.strange.append((contract, order, state, completed))
            return
        known = self.orders.get(order.permId)
        terms = terms_of(order)
        if known is None:
            known = self._meet(contract, order, symbol, terms)
        elif not completed and not known.is_done:
            changed, known.terms = terms != known.terms, terms
            known.contract, known.order, known.order_id = contract, order, order.orderId or known.order_id
            if changed:
                self._tell(known, ExecType.REPLACED, "replaced", terms=terms)
        filled = exact_or_none(order.filledQuantity) if completed else None
        self._status(known, state.status, filled, _why(state, completed), completed=completed)
        if (held := self._statuses.pop(known.perm_id, None)) is not None and not completed:
            self._status(known, held[0], exact(held[1]), held[2])

    def status_seen(self, order_id: int, perm_id: int, client_id: int, status: str, filled: float, why: str) -> None:
        """Take an orderStatus; one that comes before its order is kept for it."""
        known = self.orders.get(perm_id)
        if known is None:
            self._statuses[perm_id] = (status, filled, why)
            return
        known.order_id, known.client_id = order_id or known.order_id, client_id
        self._status(known, status, exact(filled), why)

    def execution_seen(self, contract: Any, execution: Any) -> None:
        """Take an execDetails."""
        known = self.orders.get(execution.permId)
        is_leg = known is not None and known.contract.secType == "BAG" and contract.secType != "BAG"
        symbol = known.symbol if known is not None and not is_leg else self.symbol_of(contract)
        qty, cum_qty = exact(execution.shares), exact(execution.cumQty)
        heard = Heard(
            account=execution.acctNumber,
            cl_ord_id=execution.orderRef or (known.cl_ord_id if known else f"{_MANUAL}{execution.permId}"),
            order_id=str(execution.permId),
            exec_id=execution.execId,
            exec_type=ExecType.TRADE,
            ord_status=_filled_status(known, cum_qty, is_leg=is_leg),
            symbol=symbol or contract.localSymbol or contract.symbol,
            side=side_of(execution.side),
            at=execution.time.astimezone(UTC),
            heard_at=self.now(),
            cum_qty=cum_qty,
            last_qty=qty,
            last_px=exact(execution.price) if qty else None,
            multiplier=exact_or_none(contract.multiplier) or Decimal(1),
        )
        if not is_leg:
            self.executions.count(execution.permId, heard.exec_id, qty)
        if contract.secType == "BAG":
            self.executions.tell_at_once(heard)  # its legs bear the commission
        else:
            self.executions.take(execution.permId, heard)

    def commission_seen(self, report: Any) -> None:
        """Take a commissionReport."""
        self.executions.commission_seen(report)

    def error_seen(self, order_id: int, code: int, text: str) -> ErrorClass:
        """Take an error and return its class; one that names an order is kept for it."""
        error_class = classify(code, self.own_codes)
        sent = self.sent.get(order_id)
        known = next((k for k in self.orders.values() if sent and k.cl_ord_id == sent.cl_ord_id), None)
        if sent is None or error_class in (ErrorClass.WARNING, ErrorClass.CONNECTIVITY):
            return error_class
        said = f"{code}: {text}"
        if error_class in (ErrorClass.FINAL_REJECT, ErrorClass.REQUEST_REFUSED):
            self._refuse(known, sent, said, error_class)
        elif known is None:
            sent.unclear = said
        return error_class

    # -- how it is joined

    def _meet(self, contract: Any, order: Any, symbol: str, terms: Terms) -> KnownOrder:
        known = KnownOrder(
            perm_id=order.permId,
            account=order.account,
            cl_ord_id=order.orderRef or f"{_MANUAL}{order.permId}",
            order_id=order.orderId,
            client_id=order.clientId,
            symbol=symbol,
            side=side_of(order.action),
            terms=terms,
            contract=contract,
            order=order,
        )
        self.orders[known.perm_id] = known
        return known

    def _status(
        self, known: KnownOrder, status: str, filled: Decimal | None, why: str, *, completed: bool = False
    ) -> None:
        known.status, known.generation = status, self.generation
        known.filled = known.filled if filled is None else filled
        if status in _CANCELED or (completed and status == "Inactive"):
            self._end(known, why)
        elif status == "Filled":
            known.is_done = True
        elif status == "Inactive":
            self._hold(known, why)
        elif status in _WORKING:
            self._acknowledge(known)
        elif status in _PENDING and not known.is_acknowledged:
            self._tell(known, ExecType.PENDING_NEW, "pending_new", OrdStatus.PENDING_NEW)

    def _acknowledge(self, known: KnownOrder) -> None:
        if not known.is_acknowledged and not known.filled:
            self._tell(known, ExecType.NEW, "new", OrdStatus.NEW, terms=known.terms)
        elif known.is_held:
            self._tell(known, ExecType.ORDER_STATUS, "resumed", OrdStatus.NEW)
        known.is_acknowledged, known.is_held = True, False

    def _hold(self, known: KnownOrder, why: str) -> None:
        if known.error and not known.filled:
            self._end(known, why)  # Inactive with a reason is a rejection
        elif not known.is_held:
            known.is_held = True
            self._tell(known, ExecType.SUSPENDED, "suspended", OrdStatus.SUSPENDED, text=why or "IB holds it: Inactive")

    def _end(self, known: KnownOrder, why: str) -> None:
        if known.is_done:
            return
        known.is_done = True
        if known.error and not known.filled:
            self._reject(known.account, known.cl_ord_id, str(known.perm_id), known.symbol, known.side, known.error)
        elif why.lower().startswith("rejected") and not known.filled:
            self._reject(known.account, known.cl_ord_id, str(known.perm_id), known.symbol, known.side, why)
        else:
            self._tell(known, ExecType.CANCELED, "canceled", OrdStatus.CANCELED, text=why)

    def _refuse(self, known: KnownOrder | None, sent: Sent, said: str, error_class: ErrorClass) -> None:
        sent.refusal = said
        if known is not None:
            known.error = said if error_class is ErrorClass.FINAL_REJECT and sent.order is not None else known.error
        elif sent.order is not None and error_class is ErrorClass.FINAL_REJECT:
            self.reject(sent.order, said)

    def _reject(self, account: str, cl_ord_id: str, order_id: str, symbol: str, side: Side, text: str) -> None:
        at = self.now()
        self._speak(
            Heard(
                account=account,
                cl_ord_id=cl_ord_id,
                order_id=order_id,
                exec_id=f"{cl_ord_id}.rejected",
                exec_type=ExecType.REJECTED,
                ord_status=OrdStatus.REJECTED,
                symbol=symbol,
                side=side,
                at=at,
                heard_at=at,
                text=text,
            )
        )

    def _tell(
        self,
        known: KnownOrder,
        exec_type: ExecType,
        what: str,
        ord_status: OrdStatus | None = None,
        *,
        text: str = "",
        terms: Terms | None = None,
    ) -> None:
        at = self.now()
        self._speak(
            Heard(
                account=known.account,
                cl_ord_id=known.cl_ord_id,
                order_id=str(known.perm_id),
                exec_id=f"{known.perm_id}.{what}",
                exec_type=exec_type,
                ord_status=ord_status or (OrdStatus.PARTIALLY_FILLED if known.filled else OrdStatus.NEW),
                symbol=known.symbol,
                side=known.side,
                at=at,
                heard_at=at,
                cum_qty=known.filled,
                text=text,
                terms=terms,
            )
        )

    def _speak(self, heard: Heard) -> None:
        self._said.setdefault(heard.cl_ord_id, set()).add(heard.exec_type)
        self.tell(heard)


def _filled_status(known: KnownOrder | None, cum_qty: Decimal, *, is_leg: bool) -> OrdStatus:
    complete = known is not None and not is_leg and cum_qty >= known.terms.order_qty
    return OrdStatus.FILLED if complete else OrdStatus.PARTIALLY_FILLED


def _why(state: Any, completed: bool) -> str:
    return str(state.completedStatus if completed else state.warningText) or ""
