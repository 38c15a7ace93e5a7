"""Protection: at which prices the position in a symbol is closed, at a loss or at a profit.

Both prices are measured from the average cost of what the book holds, raw and in the shares of the day. For a long
position the stop lies below and the profit above it, for a short one the other way round. They are rounded in favour
of the position: the stop towards the average cost and the profit away from it, so that a loss is never planned larger
and a profit never smaller than asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from trading.market.instruments import Instrument
from trading.money import plain
from trading.orders.orders import Side
from trading.positions.books import Position
from trading.risk.form_fields import FormDecimal
from trading.validation import STRICT

_ZERO, _HUNDRED = Decimal(0), Decimal(100)
SMALLEST_PCT = Decimal("0.1")


class DistanceUnit(StrEnum):
    """What a distance from the average cost is measured in."""

    PERCENT = "percent"  # of the average cost
    ATR = "atr"  # average true ranges, as they were when the position was last added to
    AMOUNT = "amount"  # lost or won with the whole position, in account currency


class HeldBy(StrEnum):
    """Who watches the prices."""

    BROKER = "broker"  # orders rest there, and work while the desk does not
    DESK = "desk"  # nothing rests in the market; the desk looks at the last price, and sells at the market


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Distance:
    """How far from the average cost a position is closed."""

    unit: Annotated[
        DistanceUnit,
        Field(description="percent: of the average cost. atr: average true ranges. amount: of account currency."),
    ]
    value: Annotated[FormDecimal, Field(gt=0, description="How many of them; 8 with percent is 8 %.")]

    @model_validator(mode="after")
    def _require_percent(self) -> Self:
        if self.unit is DistanceUnit.PERCENT and not SMALLEST_PCT <= self.value < _HUNDRED:
            raise ValueError(f"from {SMALLEST_PCT} to below 100 with percent: 8 is 8 %, and 0.08 is not")
        return self


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class ProtectionRules:
    """How every position of a book is protected."""

    stop_loss: Annotated[Distance | None, Field(description="Where a position is closed at a loss. None: nowhere.")] = (
        None
    )
    take_profit: Annotated[
        Distance | None, Field(description="Where a position is closed at a profit. None: nowhere.")
    ] = None
    trailing: Annotated[
        bool, Field(description="The stop follows the best price instead of the average cost; in per cent only.")
    ] = False
    atr_sessions: Annotated[int, Field(ge=2, le=250, description="Sessions of the average true range.")] = 14
    held_by: Annotated[
        HeldBy, Field(description="broker: as orders that rest there. desk: watched here, nothing rests in the market.")
    ] = HeldBy.BROKER

    @model_validator(mode="after")
    def _require_trail(self) -> Self:
        if not self.trailing:
            return self
        if self.stop_loss is None or self.stop_loss.unit is not DistanceUnit.PERCENT:
            raise ValueError("with a stop_loss in percent when trailing is set")
        if self.held_by is HeldBy.DESK:
            raise ValueError("held_by broker when trailing is set: the desk does not see every price")
        return self

    @property
    def asks_for_nothing(self) -> bool:
        """Tell whether no position is protected."""
        return self.stop_loss is None and self.take_profit is None

    @property
    def needs_atr(self) -> bool:
        """Tell whether a distance is measured in average true ranges."""
        return any(d is not None and d.unit is DistanceUnit.ATR for d in (self.stop_loss, self.take_profit))


@plain_dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """What protects one position.

    Attributes:
        qty: signed quantity protected, whole lots.
        basis_px: average cost per unit.
        stop_px: closed when the price is there or beyond; None without a stop, and with one that trails.
        trail_pct: how far the stop follows the best price.
        profit_px: closed at this price or better.
        last_px: last price per unit.
        faults: why a part that is asked for is missing, a sentence each.
    """

    symbol: str
    qty: Decimal
    basis_px: Decimal
    stop_px: Decimal | None = None
    trail_pct: Decimal | None = None
    profit_px: Decimal | None = None
    last_px: Decimal
    faults: tuple[str, ...] = ()

    @property
    def side(self) -> Side:
        """Return the side of the orders that close the position."""
        return Side.SELL if self.qty > 0 else Side.BUY

    @property
    def passed(self) -> str | None:
        """Return what the last price has reached already, as a phrase; None when it lies between both."""
        sign = -self.side.sign
        if self.stop_px is not None and (self.last_px - self.stop_px) * sign <= 0:
            return f"its stop {plain(self.stop_px)}"
        if self.profit_px is not None and (self.last_px - self.profit_px) * sign >= 0:
            return f"its profit {plain(self.profit_px)}"
        return None


def protect_positions(
    positions: Mapping[str, Position],
    rules: ProtectionRules,
    *,
    instruments: Mapping[str, Instrument],
    last_prices: Mapping[str, Decimal],
    atrs: Mapping[str, Decimal],
    currency: str = "USD",
) -> tuple[tuple[Protection, ...], dict[str, str]]:
    """Return what protects each position, sorted by symbol, and the symbols that cannot be, each with the reason.

    100 bought at 15.58, with a stop of 8 % and a profit of 20 %: 15.58 x 0.92 = 14.3336 gives 14.34, and 15.58 x 1.2 =
    18.696 gives 18.70.

    Args:
        positions: of the book.
        atrs: average true range by symbol, in the shares of the day; absent where there is none.
    """
    protections: list[Protection] = []
    without: dict[str, str] = {}
    for symbol in sorted(s for s, p in positions.items() if p.qty):
        instrument, px = instruments.get(symbol), last_prices.get(symbol)
        if instrument is None:
            without[symbol] = f"{symbol} is no instrument of the bar source"
        elif instrument.currency != currency:
            without[symbol] = f"{symbol} is quoted in {instrument.currency}, not in {currency}"
        elif px is None or not px > 0:
            without[symbol] = f"{symbol} has no last price"
        elif (made := _protection(positions[symbol], rules, instrument, px, atrs.get(symbol))).qty:
            protections.append(made)
        else:
            without[symbol] = f"{symbol}: {positions[symbol].qty} is less than one lot of {instrument.lot_size}"
    return tuple(protections), without


def average_cost(position: Position) -> Decimal:
    """Return what a unit of the open lots has cost on average, without commission; the position must not be flat."""
    return sum((lot.qty * lot.px for lot in position.lots), _ZERO) / position.qty


def _protection(
    position: Position, rules: ProtectionRules, instrument: Instrument, last_px: Decimal, atr: Decimal | None
) -> Protection:
    basis, sign = average_cost(position), 1 if position.qty > 0 else -1
    lots = abs(position.qty) // instrument.lot_size * instrument.lot_size
    trail_pct = rules.stop_loss.value if rules.trailing and rules.stop_loss else None
    wanted = {"stop": (None if rules.trailing else rules.stop_loss, -sign), "profit": (rules.take_profit, sign)}
    prices: dict[str, Decimal | None] = {}
    faults = []
    for name, (distance, way) in wanted.items():
        px = None if distance is None else _px(distance, basis, way, sign, position.qty, instrument, atr)
        prices[name] = px if px is not None and px > 0 else None
        if distance is not None and prices[name] is None:
            why = "there are too few bars with high and low" if px is None else f"{plain(px)} is no price"
            faults.append(
                f"{instrument.symbol} has no {name} {distance.value} {distance.unit} from {plain(basis)}: {why}"
            )
    return Protection(
        symbol=instrument.symbol,
        qty=lots * sign,
        basis_px=basis,
        stop_px=prices["stop"],
        trail_pct=trail_pct,
        profit_px=prices["profit"],
        last_px=last_px,
        faults=tuple(faults),
    )


def _px(
    distance: Distance,
    basis: Decimal,
    way: int,
    sign: int,
    qty: Decimal,
    instrument: Instrument,
    atr: Decimal | None,
) -> Decimal | None:
    """Return the price so far from the basis, on the tick grid; None when its distance is not known."""
    match distance.unit:
        case DistanceUnit.PERCENT:
            units = basis * distance.value / _HUNDRED
        case DistanceUnit.AMOUNT:
            units = distance.value / (abs(qty) * instrument.multiplier)
        case DistanceUnit.ATR if atr is None:
            return None
        case DistanceUnit.ATR:
            units = distance.value * atr
    rounding = ROUND_CEILING if sign > 0 else ROUND_FLOOR
    return ((basis + way * units) / instrument.tick_size).to_integral_value(rounding) * instrument.tick_size
