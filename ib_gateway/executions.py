"""Executions: their ids, what they cost, and how they are told."""

import random
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from ib_gateway.contracts import Contract
from ib_gateway.wire import UNSET_DOUBLE, Field

MONEY_PLACES = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One fill, or a corrected version of one.

    Attributes:
        exec_id: `0000e0d5.XXXXXXXX.LL.VV`: LL is the leg (01 for the order itself), VV the version; a correction
            keeps all but the version.
        sequence: place among all executions of the gateway, by which the accounts are rebuilt.
        shares: units, > 0; 0 in the version that busts an execution.
        liquidation: 1 if the broker closed the position by force.
        moves_position: False for the fill of a combo as a whole: its legs' fills move the positions.
        commission: in `currency`; 0 for a combo as a whole.
        realized_pnl: of what it closed, commission not taken off; None while it closes nothing.
    """

    exec_id: str
    sequence: int
    at: datetime
    contract: Contract
    account: str
    exchange: str
    side: str
    shares: Decimal
    price: Decimal
    perm_id: int
    client_id: int
    order_id: int
    order_ref: str
    cum_qty: Decimal
    avg_price: Decimal
    liquidation: int = 0
    moves_position: bool = True
    commission: Decimal = Decimal(0)
    currency: str = "USD"
    realized_pnl: Decimal | None = None

    @property
    def family(self) -> str:
        """The id without its version: what a fill is known by for ever."""
        return self.exec_id.rpartition(".")[0]

    @property
    def version(self) -> int:
        """The last number of the id."""
        return int(self.exec_id.rpartition(".")[2])

    @property
    def signed(self) -> Decimal:
        """Units with the sign of the position they make."""
        return self.shares if self.side == "BOT" else -self.shares

    def corrected(self, *, sequence: int, shares: Decimal, price: Decimal, commission: Decimal) -> "Execution":
        """Return the next version of this execution."""
        exec_id = f"{self.family}.{self.version + 1:02d}"
        cum_qty = self.cum_qty - self.shares + shares
        return replace(
            self, exec_id=exec_id, sequence=sequence, shares=shares, price=price, cum_qty=cum_qty, commission=commission
        )

    def details(self, req_id: int, version: int) -> list[Field]:
        """Return the fields of execDetails after the id; `req_id` is -1 for a live one."""
        when = self.at.strftime("%Y%m%d %H:%M:%S UTC")
        fields: list[Field] = [req_id, self.order_id, *self.contract.fields11(), self.exec_id, when, self.account]
        fields += [self.exchange, self.side, self.shares, self.price, self.perm_id, self.client_id, self.liquidation]
        fields += [self.cum_qty, self.avg_price, self.order_ref, "", "", "", 1]
        return [*fields, False] if version >= 178 else fields

    def commission_report(self) -> list[Field]:
        """Return the fields of commissionReport after the id."""
        pnl: Field = UNSET_DOUBLE if self.realized_pnl is None else self.realized_pnl - self.commission
        return [1, self.exec_id, self.commission, self.currency, pnl, UNSET_DOUBLE, ""]


class ExecutionIds:
    """Execution ids, in the broker's spelling; the same seed gives the same ids."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"executions:{seed}")  # noqa: S311 # ids of a simulator, meant to be repeatable
        self.used = 0

    def next(self, legs: int = 0) -> list[str]:
        """Return the id of a fill and of each leg's fill that belongs to it."""
        body = f"{self._random.getrandbits(32):08x}"
        self.used += 1
        return [f"0000e0d5.{body}.{leg:02d}.01" for leg in range(1, legs + 2)]

    def skip(self, used: int) -> None:
        """Go on after the ids that were given before a restart."""
        while self.used < used:
            self.next()


def commission_of(shares: Decimal, per_share: Decimal, minimum: Decimal, already: Decimal) -> Decimal:
    """Return the commission of one fill of an order.

    Args:
        already: what the order's earlier fills paid for their units at `per_share`, the minimum not counted.

    Returns:
        The rise of max(minimum, per_share x units): an order pays its minimum once, with its first fill.
        100 shares in two halves at 0.005 and a minimum of 1.00 pay 1.00 and 0.00; 400 in two halves 1.00 and 1.00.
    """
    if shares == 0:
        return Decimal(0)
    paid = max(minimum, already) if already else Decimal(0)
    return (max(minimum, already + shares * per_share) - paid).quantize(MONEY_PLACES)
