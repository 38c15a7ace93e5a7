"""Books: positions and cash, as the fold of everything that happened to an account."""

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import accumulate
from operator import itemgetter

from trading.broker import CashMovement, CashMovementType
from trading.errors import InvalidValue
from trading.market.corporate_actions import CashDividend, CashMerger, CorporateAction, EffectiveAction, Rename, Split
from trading.market.option_symbols import multiplier_of
from trading.money import Money
from trading.orders.executions import ExecutionReport, position_trades

ZERO = Decimal(0)
COST_STEP = Decimal("1e-12")  # a share of a lot's cost is rounded to this, so that the shares add up exactly
QTY_STEP = Decimal("1e-9")  # and a quantity after a split to this: 300 x 0.3333... are 100 shares
_AFTER_RENAME, _TRADES = 4, 8  # in the order of one instant


class CostBasis(StrEnum):
    """Which lots a sale closes."""

    FIFO = "fifo"
    AVERAGE = "average"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """A quantity opened at one price; `qty` is negative when short."""

    qty: Decimal
    px: Decimal
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What is held of one symbol, and what it has earned.

    Attributes:
        lots: open lots, oldest first; one lot under average cost.
        realized_pnl: of closed quantity, before commission and dividends, in the instrument's currency.
        commission: paid so far.
        dividends: received so far, and cash in lieu of fractions.
    """

    symbol: str
    lots: tuple[Lot, ...] = ()
    realized_pnl: Decimal = Decimal(0)
    commission: Decimal = Decimal(0)
    dividends: Decimal = Decimal(0)

    @property
    def qty(self) -> Decimal:
        """Return the signed quantity held."""
        return sum((lot.qty for lot in self.lots), Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Positions (flat ones too, for what they earned) and cash of an account, in one currency.

    Attributes:
        due: what mergers pay for shares that are no more, until the broker has booked it.
    """

    cash: Decimal = Decimal(0)
    due: Decimal = Decimal(0)
    positions: Mapping[str, Position] = field(default_factory=dict)

    def held(self) -> dict[str, Decimal]:
        """Return the signed quantity of every symbol that is not flat."""
        return {symbol: p.qty for symbol, p in self.positions.items() if p.qty}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedPayment:
    """What a dividend or a merger should pay, or charge when `qty` was short.

    Attributes:
        movement_type: DIVIDEND or MERGER.
        qty: signed quantity held before the open of the ex-date.
        amount: exact, before tax; brokers book it in cents.
    """

    movement_type: CashMovementType
    symbol: str
    ex_date: date
    qty: Decimal
    amount: Money


def fold_books(
    reports: Sequence[ExecutionReport],
    movements: Sequence[CashMovement],
    actions: Sequence[EffectiveAction],
    *,
    basis: CostBasis = CostBasis.FIFO,
) -> Books:
    """Return positions and cash after everything that happened, in the order of time; nothing counts twice.

    At one instant corporate actions come before executions. A holding of whole shares stays whole in a split: the
    fraction is sold at 0, which books its cost as a loss, and the broker's CASH_IN_LIEU makes up for it. A rename takes
    the lots along, at their cost. A merger closes them at what it pays. A dividend and a merger move cash when the
    broker books it, not on the ex-date. No action changes an option: what becomes of the contracts on a share that is
    split is for the broker to say, and a break of positions until it is booked.

    Raises:
        InvalidValue: movements in two currencies.
    """
    trades = position_trades(reports)
    holdings, payments = _run(trades, actions, basis)
    paid = {m.movement_id: m for m in movements}.values()
    for movement in paid:
        if movement.symbol and movement.movement_type in (CashMovementType.DIVIDEND, CashMovementType.CASH_IN_LIEU):
            holdings.setdefault(movement.symbol, _Holding()).dividends += movement.amount.amount
    spent = (t.signed_qty * t.px * multiplier_of(t.symbol) + t.commission for t in trades)
    return Books(
        cash=_total(paid) - sum(spent, ZERO),
        due=sum((p.amount.amount for p in payments if _is_due(p, paid)), ZERO),
        positions={symbol: holding.position(symbol) for symbol, holding in holdings.items()},
    )


def expected_payments(
    reports: Sequence[ExecutionReport], actions: Sequence[EffectiveAction]
) -> tuple[ExpectedPayment, ...]:
    """Return what dividends and mergers pay for what was held before each ex-date, in the order of time."""
    return _run(position_trades(reports), actions, CostBasis.FIFO)[1]


def unrealized_pnl(position: Position, px: Decimal) -> Decimal:
    """Return what closing the position at `px` would earn, before commission."""
    return sum((lot.qty * (px - lot.px) for lot in position.lots), ZERO) * multiplier_of(position.symbol)


def position_value(symbol: str, qty: Decimal, px: Decimal) -> Decimal:
    """Return what a signed quantity is worth at a price per unit: of an option, 2 contracts at 4.00 are 800."""
    return qty * px * multiplier_of(symbol)


def equity(books: Books, marks: Mapping[str, Decimal]) -> Decimal:
    """Return cash, what is due, and the value of all positions at `marks`, price per unit by symbol.

    Raises:
        InvalidValue: a symbol that is held has no mark.
    """
    held = books.held()
    for symbol in held:
        if symbol not in marks:
            raise InvalidValue(f"mark of {symbol}", None, "a price, because it is held")
    return books.cash + books.due + sum((position_value(s, qty, marks[s]) for s, qty in held.items()), ZERO)


def _run(
    trades: Sequence[ExecutionReport], actions: Sequence[EffectiveAction], basis: CostBasis
) -> tuple[dict[str, "_Holding"], tuple[ExpectedPayment, ...]]:
    """Return the holdings after all that happened, and the payments that fell due on the way."""
    happened: list[tuple[datetime, int, ExecutionReport | CorporateAction]] = [
        *((a.effective_at, _precedence(a, actions), a.action) for a in dict.fromkeys(actions)),
        *((t.transact_time, _TRADES, t) for t in trades),
    ]
    holdings: dict[str, _Holding] = {}
    due: list[ExpectedPayment] = []
    for at, _, event in sorted(happened, key=itemgetter(0, 1)):
        if isinstance(event, ExecutionReport):
            holding = holdings.setdefault(event.symbol, _Holding())
            holding.commission += event.commission
            holding.trade(event.signed_qty, event.px, at, basis)
        elif event.symbol in holdings:
            due += _act(holdings, event, at)
    return holdings, tuple(due)


def _precedence(effective: EffectiveAction, actions: Sequence[EffectiveAction]) -> int:
    """Return the place of an action among those of one open.

    A dividend is per share as of the session before, so it comes before a split; a rename comes after what is told of
    the old symbol and before what is told of the new.
    """
    match effective.action:
        case CashDividend():
            place = 0
        case Split():
            place = 1
        case Rename():
            return 2
        case _:
            place = 3
    renamed = (
        isinstance(other.action, Rename)
        and (other.effective_at, other.action.new_symbol) == (effective.effective_at, effective.action.symbol)
        for other in actions
    )
    return place + _AFTER_RENAME if any(renamed) else place


def _act(holdings: dict[str, "_Holding"], action: CorporateAction, at: datetime) -> Iterator[ExpectedPayment]:
    """Let an action change what is held, and return what it pays."""
    holding = holdings[action.symbol]
    qty = holding.qty()
    match action:
        case Split():
            holding.split(action.new_per_old, at)
        case Rename():
            holdings.setdefault(action.new_symbol, _Holding()).take_over(holding)
        case CashMerger() if qty:
            holding.trade(-qty, action.amount_per_share, at, CostBasis.FIFO)
            if action.amount_per_share:
                yield _payment(CashMovementType.MERGER, action, qty)
        case CashDividend() if qty:
            yield _payment(CashMovementType.DIVIDEND, action, qty)


def _payment(kind: CashMovementType, action: CashDividend | CashMerger, qty: Decimal) -> ExpectedPayment:
    amount = Money(amount=qty * action.amount_per_share, currency=action.currency)
    return ExpectedPayment(movement_type=kind, symbol=action.symbol, ex_date=action.ex_date, qty=qty, amount=amount)


def _is_due(payment: ExpectedPayment, paid: Collection[CashMovement]) -> bool:
    """Tell whether a merger has not been paid: neither has the broker booked it, nor a person what cash there is."""
    return payment.movement_type is CashMovementType.MERGER and not any(
        movement.value_time.date() >= payment.ex_date
        and (
            (movement.movement_type, movement.symbol) == (CashMovementType.MERGER, payment.symbol)
            or movement.movement_type is CashMovementType.ADJUSTMENT
        )
        for movement in paid
    )


def _total(movements: Iterable[CashMovement]) -> Decimal:
    currencies = sorted({m.amount.currency for m in movements})
    if len(currencies) > 1:
        raise InvalidValue("currency of the cash movements", ", ".join(currencies), "one for all: books have one")
    return sum((m.amount.amount for m in movements), ZERO)


class _OpenLot:
    """A lot while it is folded; `cost` is price x quantity, negative when short."""

    __slots__ = ("cost", "opened_at", "qty")

    def __init__(self, qty: Decimal, cost: Decimal, opened_at: datetime) -> None:
        self.qty, self.cost, self.opened_at = qty, cost, opened_at


class _Holding:
    """A position while it is folded; costs and realized P&L are without the multiplier."""

    __slots__ = ("commission", "dividends", "lots", "realized")

    def __init__(self) -> None:
        self.lots: deque[_OpenLot] = deque()
        self.realized = self.commission = self.dividends = ZERO

    def qty(self) -> Decimal:
        return sum((lot.qty for lot in self.lots), ZERO)

    def trade(self, qty: Decimal, px: Decimal, at: datetime, basis: CostBasis) -> None:
        """Close the oldest lots of the other side, then open what is left."""
        while qty and self.lots and (self.lots[0].qty > 0) != (qty > 0):
            part = self.lots[0].qty if abs(self.lots[0].qty) <= abs(qty) else -qty
            self.realized += part * px - self._take(part)
            qty += part
        if qty and self.lots and basis is CostBasis.AVERAGE:
            self.lots[0].qty += qty
            self.lots[0].cost += qty * px
        elif qty:
            self.lots.append(_OpenLot(qty, qty * px, at))

    def _take(self, part: Decimal) -> Decimal:
        """Take a part of the oldest lot and return its cost."""
        lot = self.lots[0]
        if part == lot.qty:
            return self.lots.popleft().cost
        cost = (lot.cost * part / lot.qty).quantize(COST_STEP)
        lot.qty -= part
        lot.cost -= cost
        return cost

    def split(self, new_per_old: Decimal, at: datetime) -> None:
        """Exchange old shares for new at the same cost."""
        was_whole = self.qty() == self.qty().to_integral_value()
        # Rounding the running sum instead of each lot keeps the total right.
        sums = [s.quantize(QTY_STEP) for s in accumulate(lot.qty * new_per_old for lot in self.lots)]
        for lot, below, upto in zip(self.lots, [ZERO, *sums], sums, strict=False):
            lot.qty = _without_zeros(upto - below)
        fraction = self.qty() % 1
        if was_whole and fraction:
            self.trade(-fraction, ZERO, at, CostBasis.FIFO)

    def take_over(self, other: "_Holding") -> None:
        """Take the lots of a holding, and leave what it has earned where it was; long and short close each other."""
        lots, other.lots = other.lots, deque()
        if not self.lots or not lots or (self.lots[0].qty > 0) == (lots[0].qty > 0):
            self.lots = deque(sorted([*self.lots, *lots], key=lambda lot: lot.opened_at))
            return
        for lot in lots:
            self.trade(lot.qty, lot.cost / lot.qty, lot.opened_at, CostBasis.FIFO)

    def position(self, symbol: str) -> Position:
        return Position(
            symbol=symbol,
            lots=tuple(Lot(qty=lot.qty, px=lot.cost / lot.qty, opened_at=lot.opened_at) for lot in self.lots),
            realized_pnl=self.realized * multiplier_of(symbol),
            commission=self.commission,
            dividends=self.dividends,
        )


def _without_zeros(qty: Decimal) -> Decimal:
    whole = qty.to_integral_value()
    return whole if whole == qty else qty.normalize()
