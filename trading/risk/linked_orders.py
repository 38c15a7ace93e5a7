"""Linked orders: how much of an order can fill besides those that count already."""

from decimal import Decimal

from trading.orders.order_types import ContingencyType, OrderPurpose
from trading.orders.orders import NewOrderSingle, Side

_ZERO = Decimal(0)
_Line = tuple[str, Side]  # a side of a symbol
_Share = tuple[_Line, str, bool]  # of a book, and whether it protects
_List = tuple[_Line, str, bool, str | None, str | None]


class LinkedQuantities:
    """What works on each side of each symbol, where of orders that never both fill only the worst counts.

    * Of an OCO list the largest order counts.
    * Of a book its protective orders count or all others that come after them, whichever are more: the former are
      canceled, and known to be, before any other order of the book is sent in their symbol. A protective order that
      comes while others work counts beside them.
    * A child closes what its parent opens: while the parent works, only what goes beyond it counts.
    """

    def __init__(self) -> None:
        self._lists: dict[_List, Decimal] = {}
        self._shares: dict[_Share, Decimal] = {}
        self._parents: dict[tuple[str, _Line], Decimal] = {}

    def copy(self) -> "LinkedQuantities":
        """Return quantities that go their own way from here."""
        twin = LinkedQuantities()
        twin._lists, twin._shares, twin._parents = dict(self._lists), dict(self._shares), dict(self._parents)
        return twin

    def added(self, order: NewOrderSingle, qty: Decimal) -> Decimal:
        """Return what `qty` of the order would add to what counts on its side of its symbol, >= 0."""
        return self._count(order, self._in_list(order, qty))

    def add(self, order: NewOrderSingle, qty: Decimal) -> None:
        """Count `qty` of the order from now on."""
        more, line = self._in_list(order, qty), (order.symbol, order.side)
        if order.contingency_type is ContingencyType.OCO:
            self._lists[_list(order)] = self._lists.get(_list(order), _ZERO) + more
        share = (line, order.book, _protects(order))
        if not (_protects(order) and (line, order.book, False) in self._shares):
            self._shares[share] = self._shares.get(share, _ZERO) + more
        self._parents[order.cl_ord_id, line] = qty

    def _in_list(self, order: NewOrderSingle, qty: Decimal) -> Decimal:
        if order.parent_cl_ord_id is not None:
            closes = self._parents.get((order.parent_cl_ord_id, (order.symbol, order.side.opposite)), _ZERO)
            qty = max(qty - closes, _ZERO)
        if order.contingency_type is ContingencyType.OCO:
            return max(qty - self._lists.get(_list(order), _ZERO), _ZERO)
        return qty

    def _count(self, order: NewOrderSingle, more: Decimal) -> Decimal:
        if _protects(order):
            return more
        line = (order.symbol, order.side)
        others = self._shares.get((line, order.book, False), _ZERO)
        rests = self._shares.get((line, order.book, True), _ZERO)
        return max(others + more, rests) - max(others, rests)


def _protects(order: NewOrderSingle) -> bool:
    return order.purpose is OrderPurpose.PROTECT


def _list(order: NewOrderSingle) -> _List:
    return (order.symbol, order.side), order.book, _protects(order), order.list_id, order.parent_cl_ord_id
