"""The state file: one line per change of an order, so that a killed process forgets nothing it told."""

import logging
from pathlib import Path
from typing import IO

from pydantic import TypeAdapter, ValidationError

from ib_gateway.orders import Order

log = logging.getLogger(__name__)
_ORDERS: TypeAdapter[Order] = TypeAdapter(Order)


class BrokenState(Exception):
    """The state file has a line that is no order."""

    def __init__(self, path: Path, line: int) -> None:
        self.path, self.line = path, line
        super().__init__(f"{path} line {line} is no order of this version; move the file away to start afresh")


class Journal:
    """Appends orders to a file; without a path it keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def load(self) -> dict[int, Order]:
        """Return the orders as last written, by permanent id, in the order of acceptance.

        A last line that was cut off by a kill is dropped: nothing was told of it.

        Raises:
            BrokenState: another line cannot be read.
        """
        if self._path is None or not self._path.exists():
            return {}
        lines = self._path.read_bytes().split(b"\n")
        whole, cut = lines[:-1], lines[-1]
        if cut:
            log.warning("%s: its last line was cut off and is dropped", self._path)
            with self._path.open("r+b") as file:
                file.truncate(sum(len(line) + 1 for line in whole))
        orders: dict[int, Order] = {}
        for number, line in enumerate(whole, start=1):
            try:
                order = _ORDERS.validate_json(line)
            except ValidationError as exc:
                raise BrokenState(self._path, number) from exc
            orders[order.perm_id] = order
        return orders

    def note(self, order: Order) -> None:
        """Write an order as it is now, before anybody is told."""
        if self._path is None:
            return
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab", buffering=0)
        self._file.write(_ORDERS.dump_json(order) + b"\n")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
