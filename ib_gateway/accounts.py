"""Accounts: cash, positions and values, all of them a fold over the executions."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from ib_gateway.contracts import Contract
from ib_gateway.executions import Execution
from ib_gateway.gateway_settings import GatewayAccount

Mark = Callable[[Contract], Decimal]

# Regulation T asks half of a stock's value; futures a part of what they stand for, currencies little.
INITIAL_MARGIN: Final[Mapping[str, Decimal]] = MappingProxyType(
    {"STK": Decimal("0.5"), "OPT": Decimal(1), "FUT": Decimal("0.05"), "CASH": Decimal("0.02")}
)
BUYING_POWER: Final = 2


def units_of(contract: Contract) -> Decimal:
    """Return the multiplier: what one unit of the contract stands for."""
    return Decimal(contract.multiplier or 1)


def _margin(contract: Contract, quantity: Decimal, mark: Mark) -> Decimal:
    if not quantity:
        return Decimal(0)
    return abs(quantity * mark(contract) * units_of(contract)) * INITIAL_MARGIN.get(contract.sec_type, Decimal(1))


@dataclass(slots=True, kw_only=True)
class Position:
    """A position; `cost` is its signed units times what each was bought or sold for, multiplier included."""

    contract: Contract
    quantity: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    realized: Decimal = Decimal(0)

    @property
    def average_cost(self) -> Decimal:
        """Mean cost of a unit, multiplier and commission included; 0 of none."""
        return self.cost / self.quantity if self.quantity else Decimal(0)

    def take(self, signed: Decimal, price: Decimal, commission: Decimal) -> Decimal | None:
        """Add a fill; return what closing units earned, None where it closed none."""
        unit_price = price * units_of(self.contract)
        closing = Decimal(0) if self.quantity * signed >= 0 else min(abs(signed), abs(self.quantity))
        earned = None
        if closing:
            sign = 1 if self.quantity > 0 else -1
            earned = (unit_price - self.average_cost) * closing * sign
            self.cost -= self.average_cost * closing * sign
            self.quantity -= closing * sign
            self.realized += earned - commission
        opening = abs(signed) - closing
        if opening:
            sign = 1 if signed > 0 else -1
            self.quantity += opening * sign
            self.cost += unit_price * opening * sign + (commission if not closing else Decimal(0))
        return earned


@dataclass(slots=True, kw_only=True)
class Account:
    """One account."""

    opening: GatewayAccount
    cash: dict[str, Decimal] = field(default_factory=dict)
    positions: dict[int, Position] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cash = {self.opening.currency: self.opening.cash}

    @property
    def name(self) -> str:
        """Its number, as clients know it."""
        return self.opening.name

    def take(self, execution: Execution) -> Decimal | None:
        """Add an execution; return what it realized, None where it closed nothing."""
        contract = execution.contract
        if not execution.moves_position:
            return None
        self._add(execution.currency, -execution.commission)
        if execution.shares == 0:
            return None
        position = self.positions.setdefault(contract.con_id, Position(contract=contract))
        earned = position.take(execution.signed, execution.price, execution.commission)
        if contract.sec_type == "FUT":
            self._add(contract.currency, earned or Decimal(0))
        else:
            self._add(contract.currency, -execution.signed * execution.price * units_of(contract))
        if contract.sec_type == "CASH":
            self._add(contract.symbol, execution.signed)
        return earned

    def rebuild(self, executions: Iterable[Execution]) -> None:
        """Start from the opening balance and add executions, the newest version of each."""
        self.cash = {self.opening.currency: self.opening.cash}
        self.positions = {}
        newest: dict[str, Execution] = {}
        for execution in executions:
            if execution.family not in newest or newest[execution.family].version < execution.version:
                newest[execution.family] = execution
        for execution in newest.values():
            self.take(execution)

    def _add(self, currency: str, amount: Decimal) -> None:
        self.cash[currency] = self.cash.get(currency, Decimal(0)) + amount

    def worth(self, mark: Mark) -> Decimal:
        """Return the market value of the positions, signed; futures are worth what they earned since bought."""
        return sum((self._value(position, mark) for position in self.positions.values()), Decimal(0))

    def _value(self, position: Position, mark: Mark) -> Decimal:
        if position.contract.sec_type == "CASH" or not position.quantity:
            return Decimal(0)
        value = position.quantity * mark(position.contract) * units_of(position.contract)
        return value - position.cost if position.contract.sec_type == "FUT" else value

    def exposure(self, mark: Mark) -> Decimal:
        """Return the value of long and short positions, both counted up."""
        return sum((abs(self._value(position, mark)) for position in self.positions.values()), Decimal(0))

    def margin(self, mark: Mark, more: Mapping[int, tuple[Contract, Decimal]] | None = None) -> Decimal:
        """Return the initial margin of the positions, `more` units of some contracts (signed) counted in."""
        held = {con_id: (position.contract, position.quantity) for con_id, position in self.positions.items()}
        for con_id, (contract, signed) in (more or {}).items():
            held[con_id] = (contract, held.get(con_id, (contract, Decimal(0)))[1] + signed)
        return sum((_margin(contract, quantity, mark) for contract, quantity in held.values()), Decimal(0))

    def own_cash(self) -> Decimal:
        """Return the cash in the account's currency."""
        return self.cash[self.opening.currency]

    def unrealized(self, mark: Mark) -> Decimal:
        """Return what the positions would earn if they were closed at the mark."""
        return sum((self.open_profit(position, mark) for position in self.positions.values()), Decimal(0))

    def open_profit(self, position: Position, mark: Mark) -> Decimal:
        """Return what one position would earn if it were closed at the mark."""
        if not position.quantity:
            return Decimal(0)
        return position.quantity * mark(position.contract) * units_of(position.contract) - position.cost

    def realized(self) -> Decimal:
        """Return what was earned by closing, commissions taken off."""
        return sum((position.realized for position in self.positions.values()), Decimal(0))

    def values(self, mark: Mark) -> list[tuple[str, str, str]]:
        """Return the account's values as the broker names them: key, value, currency."""
        worth, exposure = self.worth(mark), self.exposure(mark)
        net = self.own_cash() + worth
        initial = self.margin(mark)
        maintenance = initial / 2
        available = net - initial
        amounts = {
            "NetLiquidation": net,
            "TotalCashValue": self.own_cash(),
            "SettledCash": self.own_cash(),
            "EquityWithLoanValue": net,
            "GrossPositionValue": exposure,
            "StockMarketValue": worth,
            "InitMarginReq": initial,
            "MaintMarginReq": maintenance,
            "FullInitMarginReq": initial,
            "FullMaintMarginReq": maintenance,
            "AvailableFunds": available,
            "ExcessLiquidity": net - maintenance,
            "BuyingPower": max(available, Decimal(0)) * BUYING_POWER,
            "RealizedPnL": self.realized(),
            "UnrealizedPnL": self.unrealized(mark),
        }
        own = self.opening.currency
        words = [("AccountCode", self.name, ""), ("AccountType", "INDIVIDUAL", ""), ("Currency", own, own)]
        return words + [(key, f"{value:.2f}", own) for key, value in amounts.items()]

    def ledger(self, mark: Mark) -> list[tuple[str, str, str]]:
        """Return the values that are kept per currency."""
        rows = [(key, f"{self.cash[c]:.2f}", c) for c in self.cash for key in ("CashBalance", "TotalCashBalance")]
        net = f"{self.own_cash() + self.worth(mark):.2f}"
        return [*rows, ("NetLiquidationByCurrency", net, self.opening.currency), ("ExchangeRate", "1.00", "USD")]
