"""An order as the gateway keeps it, and the messages that tell of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from ib_gateway.contracts import ComboLeg, Contract
from ib_gateway.executions import Execution
from ib_gateway.order_layout import COMPLETED_ORDER, OPEN_ORDER, OrderFields, write_order
from ib_gateway.wire import Field, WireError, decimal, spelt

NEW_YORK = "America/New_York"


class Status(StrEnum):
    """Order states in the broker's words."""

    PENDING_SUBMIT = "PendingSubmit"
    PRE_SUBMITTED = "PreSubmitted"
    SUBMITTED = "Submitted"
    PENDING_CANCEL = "PendingCancel"
    FILLED = "Filled"
    CANCELLED = "Cancelled"
    INACTIVE = "Inactive"


DONE = frozenset({Status.FILLED, Status.CANCELLED, Status.INACTIVE})


@dataclass(slots=True, kw_only=True)
class Order:
    """One order, from its acceptance on.

    Attributes:
        perm_id: unique in the account for ever.
        order_id: the client's number; negative or 0 for an order placed by hand.
        fields: all that the client said, as text.
        oca_cut: units taken off by fills of other orders of its OCA group.
        is_triggered: a stop that was elected, or another type whose condition to work came true.
        trail_px: where a trailing stop stands now.
        parent_perm_id: its parent in a bracket, or 0.
        completed_status: words about how it ended.
    """

    perm_id: int
    order_id: int
    client_id: int
    contract: Contract
    fields: OrderFields
    entered_at: datetime
    status: Status = Status.PENDING_SUBMIT
    filled: Decimal = Decimal(0)
    spent: Decimal = Decimal(0)
    last_px: Decimal = Decimal(0)
    oca_cut: Decimal = Decimal(0)
    is_triggered: bool = False
    trail_px: Decimal | None = None
    parent_perm_id: int = 0
    why_held: str = ""
    completed_at: datetime | None = None
    completed_status: str = ""
    liquidation: int = 0
    executions: list[Execution] = field(default_factory=list)

    def said(self, name: str) -> str:
        """Return a field as the client said it."""
        return self.fields.get(name)

    def number(self, name: str) -> Decimal | None:
        """Return a field as a number, None where it was not set."""
        return decimal(self.fields.get(name))

    def flag(self, name: str) -> bool:
        """Return a field as yes or no."""
        return self.fields.get(name) == "1"

    @property
    def order_ref(self) -> str:
        """The client's own key."""
        return self.said("orderRef")

    @property
    def symbol(self) -> str:
        """Symbol of the contract."""
        return self.contract.symbol

    @property
    def side(self) -> str:
        """BUY or SELL."""
        return self.said("action")

    @property
    def sign(self) -> int:
        """1 for a buy, -1 for a sale."""
        return 1 if self.side == "BUY" else -1

    @property
    def qty(self) -> Decimal:
        """Units ordered."""
        return self.number("totalQuantity") or Decimal(0)

    @property
    def remaining(self) -> Decimal:
        """Units that can still fill."""
        return max(self.qty - self.filled - self.oca_cut, Decimal(0))

    @property
    def avg_px(self) -> Decimal:
        """Mean price of what filled; 0 before the first fill."""
        return self.spent / self.filled if self.filled else Decimal(0)

    @property
    def kind(self) -> str:
        """Order type, in the broker's words."""
        return self.said("orderType")

    @property
    def tif(self) -> str:
        """Time in force; DAY where the client said none."""
        return self.said("tif") or "DAY"

    @property
    def account(self) -> str:
        """Account it is for."""
        return self.said("account")

    @property
    def is_done(self) -> bool:
        """Whether it can no longer change."""
        return self.status in DONE

    @property
    def is_held(self) -> bool:
        """Whether its client has not let it go yet (`transmit` is 0)."""
        return not self.flag("transmit")

    @property
    def unique_executions(self) -> list[Execution]:
        """Executions of the order itself, the newest version of each."""
        newest = {execution.family: execution for execution in self.executions}
        return [execution for execution in newest.values() if execution.family.endswith(".01")]

    def status_fields(self) -> list[Field]:
        """Return the fields of orderStatus after the id."""
        parent = int(self.said("parentId") or 0)
        amounts: list[Field] = [self.filled, self.remaining, round(self.avg_px, 8), self.perm_id, parent, self.last_px]
        return [self.order_id, self.status.value, *amounts, self.client_id, self.why_held, 0.0]

    def open_fields(self, version: int, state: Mapping[str, Field] | None = None) -> list[str]:
        """Return the fields of openOrder after the id; `state` are margins and costs."""
        own: dict[str, Field] = {"orderId": self.order_id, "clientId": self.client_id, "status": self.status.value}
        return self._told(OPEN_ORDER, version, {**own, **(state or {})})

    def completed_fields(self, version: int) -> list[str]:
        """Return the fields of completedOrder after the id."""
        at = (self.completed_at or self.entered_at).astimezone(ZoneInfo(NEW_YORK))
        own: dict[str, Field] = {
            "status": self.status.value,
            "filledQuantity": self.filled,
            "completedTime": at.strftime(f"%Y%m%d %H:%M:%S {NEW_YORK}"),
            "completedStatus": self.completed_status,
            "parentPermId": self.parent_perm_id,
        }
        return self._told(COMPLETED_ORDER, version, own)

    def _told(self, layout: tuple[object, ...], version: int, own: Mapping[str, Field]) -> list[str]:
        contract = dict(zip(CONTRACT_NAMES, map(spelt, self.contract.fields12()), strict=True))
        scalars = {**DEFAULTS, **self.fields.scalars, **contract, "permId": str(self.perm_id)}
        if self.trail_px is not None:
            scalars["trailStopPrice"] = spelt(self.trail_px)
        scalars.update({name: spelt(value) for name, value in own.items()})
        told = OrderFields(scalars=scalars, groups=self.fields.groups)
        return write_order(told, layout, version)  # type: ignore[arg-type] # both layouts are rows of parts


CONTRACT_NAMES = (
    *("conId", "symbol", "secType", "lastTradeDateOrContractMonth", "strike", "right", "multiplier"),
    *("exchange", "primaryExchange", "currency", "localSymbol", "tradingClass"),
)

# TWS says None for the type of a delta neutral order that there is none of, so its fields are always there.
DEFAULTS = {"deltaNeutralOrderType": "None", "deltaNeutralOpenClose": "?", "tif": "DAY"}


def contract_of(fields: OrderFields) -> Contract:
    """Return the contract as the client named it, legs included.

    Raises:
        WireError: a number in it is none.
    """
    said = fields.get
    try:
        legs = tuple(
            ComboLeg(con_id=int(row[0]), ratio=int(row[1]), action=row[2], exchange=row[3])
            for row in fields.groups.get("comboLegs", [])
        )
        con_id, strike = int(said("conId") or 0), float(said("strike") or 0)
    except ValueError as exc:
        raise WireError(f"the contract of an order has a number that is none: {exc}") from exc
    return Contract(
        con_id=con_id,
        symbol=said("symbol"),
        sec_type=said("secType"),
        last_trade_date=said("lastTradeDateOrContractMonth"),
        strike=strike,
        right=said("right"),
        multiplier=said("multiplier"),
        exchange=said("exchange"),
        primary_exchange=said("primaryExchange"),
        currency=said("currency"),
        local_symbol=said("localSymbol"),
        trading_class=said("tradingClass"),
        legs=legs,
    )


def ib_time(text: str) -> datetime | None:
    """Read a time as clients write it: `20261121 15:30:00 US/Eastern`, or `20261121-15:30:00` in UTC.

    Without a zone it is New York's. None where there is no time, or none that can be read.
    """
    stamp, _, zone = text.strip().partition(" ")
    dashed = "-" in stamp
    clock = stamp.partition("-")[2] if dashed else zone.partition(" ")[0]
    zone = zone if dashed else zone.partition(" ")[2]
    day = stamp.partition("-")[0]
    try:
        naive = datetime.strptime(f"{day} {clock}", "%Y%m%d %H:%M:%S")  # noqa: DTZ007 # its zone follows
        return naive.replace(tzinfo=UTC if dashed and not zone else ZoneInfo(zone or NEW_YORK)).astimezone(UTC)
    except (ValueError, KeyError, OSError):
        return None
