"""Executions and their commissions: each is told once its commission is known, or without it after a while."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from adapters.ib.decimals import exact
from adapters.ib.heard import Heard


@dataclass(slots=True, kw_only=True)
class _Waiting:
    """An execution that waits for its commission; those of one order are told in their order."""

    heard: Heard
    overdue_at: float


@dataclass(slots=True, kw_only=True)
class Executions:
    """Those of one connection.

    Args:
        tell: called with each; again once the commission comes that it was told without.
        later: calls a function after so many seconds.
    """

    tell: Callable[[Heard], None]
    monotonic: Callable[[], float]
    later: Callable[[float, Callable[[], None]], object]
    commission_seconds: float
    _quantities: dict[int, dict[str, Decimal]] = field(default_factory=dict)
    _waiting: dict[int, list[_Waiting]] = field(default_factory=dict)
    _fees: dict[str, Decimal] = field(default_factory=dict)
    _told: dict[str, Heard] = field(default_factory=dict)

    def told(self) -> Mapping[str, Decimal | None]:
        """Return those that were told on, by ExecID, with their commissions."""
        return {exec_id: told.commission for exec_id, told in self._told.items()}

    def is_waiting(self) -> bool:
        """Tell whether one has not been told on yet."""
        return bool(self._waiting)

    def qty_of(self, perm_id: int) -> Decimal:
        """Return how much of an order was executed, by the executions that were counted."""
        return sum(self._quantities.get(perm_id, {}).values(), Decimal(0))

    def count(self, perm_id: int, exec_id: str, qty: Decimal) -> None:
        """Count an execution; a correction of it, whose id differs after the last dot, counts instead of it."""
        self._quantities.setdefault(perm_id, {})[exec_id.rpartition(".")[0] or exec_id] = qty

    def take(self, perm_id: int, heard: Heard) -> None:
        """Take one that bears a commission."""
        if heard.exec_id in self._told:
            return
        waiting = self._waiting.setdefault(perm_id, [])
        if any(one.heard.exec_id == heard.exec_id for one in waiting):
            return
        waiting.append(_Waiting(heard=heard, overdue_at=self.monotonic() + self.commission_seconds))
        self._tell_due(perm_id)
        if perm_id in self._waiting:
            self.later(self.commission_seconds + 0.01, lambda: self._tell_due(perm_id))

    def tell_at_once(self, heard: Heard) -> None:
        """Tell one without waiting, with its commission where that is known."""
        commission = self._fees.get(heard.exec_id)
        told = heard if commission is None else replace(heard, commission=commission)
        if told == self._told.get(heard.exec_id):
            return
        self._told[heard.exec_id] = told
        self.tell(told)

    def commission_seen(self, report: Any) -> None:
        """Take a commissionReport, which may come before its execution or long after it."""
        self._fees[report.execId] = exact(report.commission)
        if (told := self._told.get(report.execId)) is not None:
            if told.commission is None:
                self.tell_at_once(told)
            return
        for perm_id, waiting in tuple(self._waiting.items()):
            if any(one.heard.exec_id == report.execId for one in waiting):
                self._tell_due(perm_id)

    def flush(self) -> None:
        """Tell those that wait for a commission without it."""
        for perm_id in tuple(self._waiting):
            self._tell_due(perm_id, overdue=True)

    def _tell_due(self, perm_id: int, *, overdue: bool = False) -> None:
        waiting, now = self._waiting.get(perm_id, []), self.monotonic()
        while waiting and (overdue or waiting[0].heard.exec_id in self._fees or waiting[0].overdue_at <= now):
            self.tell_at_once(waiting.pop(0).heard)
        if not waiting:
            self._waiting.pop(perm_id, None)
