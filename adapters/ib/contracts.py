"""Contracts: our symbols and IB's contracts, one for the other.

A symbol is taken as: `EUR.USD` a currency pair, 21 characters like `AAPL  270115C00250000` an option by its OSI name,
`ESZ6` (letters, month letter, year) a future by its local name, all else a stock or fund, SMART-routed, with `.` for
IB's blank (`BRK.B`). The settings' `contracts` go before all of it.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from adapters.ib.connection import Connection, RequestRefused
from adapters.ib.decimals import exact, exact_or_none
from adapters.ib.ib_settings import ContractTerms, IbSettings
from adapters.ib.library import Library
from adapters.ib.price_steps import PriceStep
from trading.market.option_symbols import multiplier_of
from trading.orders.order_types import OrderLeg, OrderPurpose, Side, combo_symbol
from trading.orders.orders import NewOrderSingle

_PAIR = re.compile(r"[A-Z]{3}\.[A-Z]{3}")
_OPTION = re.compile(r".{6}\d{6}[CP]\d{8}")
_FUTURE = re.compile(r"[A-Z0-9]{1,4}[FGHJKMNQUVXZ]\d{1,2}")
_MOST_SHOWN = 5


class ContractRefused(Exception):
    """A symbol is no contract of IB, or more than one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A symbol as IB lists it.

    Attributes:
        contract: the library's.
        steps: the price ladder at the exchange it is routed to.
    """

    symbol: str
    contract: Any
    con_id: int
    steps: tuple[PriceStep, ...]


class ContractBook:
    """The contracts that one connection has looked up."""

    def __init__(self, library: Library, settings: IbSettings) -> None:
        self._library, self._settings = library, settings
        self._listed: dict[str, Listed] = {}
        self._symbols: dict[int, str] = {
            terms.con_id: symbol for symbol, terms in settings.contracts.items() if terms.con_id
        }
        self._rules: dict[int, tuple[PriceStep, ...]] = {}
        self._one_at_a_time = asyncio.Lock()  # many orders of one symbol ask for it at once

    def symbol_of(self, contract: Any) -> str | None:
        """Return our symbol; None for a combo with a leg whose number we have not looked up."""
        if contract.secType == "BAG":
            return self._combo(contract.comboLegs)
        if (known := self._symbols.get(contract.conId)) is not None:
            return known
        if contract.secType == "CASH":
            return f"{contract.symbol}.{contract.currency}"
        if contract.secType in ("OPT", "FOP", "FUT", "WAR"):
            return str(contract.localSymbol or contract.symbol)
        return str(contract.symbol).replace(" ", ".")

    def _combo(self, legs: Sequence[Any]) -> str | None:
        symbols = [self._symbols.get(leg.conId) for leg in legs]
        if not legs or None in symbols:
            return None
        sides = [Side.BUY if leg.action == "BUY" else Side.SELL for leg in legs]
        return combo_symbol(
            [
                OrderLeg(symbol=symbol, ratio=leg.ratio, side=side)
                for symbol, leg, side in zip(symbols, legs, sides, strict=True)
                if symbol
            ]
        )

    async def look_up(self, connection: Connection, symbol: str) -> Listed:
        """Return the one contract of a symbol, asking IB the first time.

        Raises:
            ContractRefused: IB knows none, or several; the text says what to do.
            BrokerUnavailable: IB did not answer.
        """
        if symbol not in self._listed:
            async with self._one_at_a_time:
                if symbol not in self._listed:
                    self._listed[symbol] = await self._list(connection, symbol)
        return self._listed[symbol]

    async def _list(self, connection: Connection, symbol: str) -> Listed:
        details = await self._details(connection, symbol)
        contract = details.contract
        self._symbols[contract.conId] = symbol
        steps = await self._steps(connection, details)
        return Listed(symbol=symbol, contract=contract, con_id=contract.conId, steps=steps)

    async def require_counted(self, connection: Connection, order: NewOrderSingle) -> None:
        """Refuse to add what the books would count otherwise than IB does: futures, or prices in another currency.

        What closes a position passes: it may have come from elsewhere.

        Raises:
            ContractRefused: it is so, or IB knows no such contract.
            BrokerUnavailable: IB did not answer.
        """
        for part in order.parts() if order.purpose is OrderPurpose.REBALANCE else ():
            contract = (await self.look_up(connection, part.symbol)).contract
            ours = multiplier_of(part.symbol), self._settings.currency
            theirs = exact_or_none(contract.multiplier) or Decimal(1), contract.currency
            if theirs != ours:
                text = f"a price of 1 is {theirs[0]} {theirs[1]} of it at IB, and {ours[0]} {ours[1]} in the books"
                raise ContractRefused(f"{part.symbol} is {contract.secType}: {text}, so nothing of it is ordered")

    async def combo(self, connection: Connection, legs: Sequence[OrderLeg]) -> Listed:
        """Return the combo of the legs.

        Raises:
            ContractRefused: a leg is no contract.
            BrokerUnavailable: IB did not answer.
        """
        listed = [await self.look_up(connection, leg.symbol) for leg in legs]
        made = [
            self._library.combo_leg(conId=one.con_id, ratio=leg.ratio, action=leg.side.name, exchange="SMART")
            for one, leg in zip(listed, legs, strict=True)
        ]
        first = listed[0].contract
        contract = self._library.contract(
            secType="BAG", symbol=first.symbol, currency=first.currency, exchange="SMART", comboLegs=made
        )
        return Listed(symbol=combo_symbol(legs), contract=contract, con_id=0, steps=())

    async def learn_named(self, connection: Connection) -> None:
        """Look up what the settings name, so that their symbols are known again in positions and fills.

        Raises:
            BrokerUnavailable: IB did not answer.
        """
        for symbol in self._settings.contracts:
            try:
                await self.look_up(connection, symbol)
            except ContractRefused:
                continue  # told when it is traded

    async def learn_legs(self, connection: Connection, bag: Any) -> None:
        """Ask for the contracts of a combo's legs that are not known by their number."""
        for leg in bag.comboLegs:
            if leg.conId not in self._symbols:
                contract = self._library.contract(conId=leg.conId)
                try:
                    found = await connection.ask_contracts(contract)
                except RequestRefused:
                    found = []
                name = self.symbol_of(found[0].contract) if found else None
                self._symbols[leg.conId] = name or f"con{leg.conId}"

    async def _details(self, connection: Connection, symbol: str) -> Any:
        try:
            found = await connection.ask_contracts(self._query(symbol))
        except RequestRefused as exc:
            raise ContractRefused(
                f"{exc}; IB does not know {symbol!r}: check the spelling, or name it in the settings' contracts"
            ) from exc
        by_number = {details.contract.conId: details for details in found}
        if len(by_number) == 1:
            return next(iter(by_number.values()))
        if not by_number:
            raise ContractRefused(
                f"IB does not know {symbol!r}: check the spelling, or name it in the settings' contracts"
            )
        shown = "; ".join(_shown(details.contract) for details in list(by_number.values())[:_MOST_SHOWN])
        raise ContractRefused(
            f"{symbol!r} is {len(by_number)} contracts ({shown}); choose one by con_id or primary_exchange in the "
            "settings' contracts"
        )

    def _query(self, symbol: str) -> Any:
        make = self._library.contract
        if (terms := self._settings.contracts.get(symbol)) is not None:
            return self._query_of(symbol, terms)
        if _PAIR.fullmatch(symbol):
            return make(secType="CASH", symbol=symbol[:3], currency=symbol[4:], exchange="IDEALPRO")
        if _OPTION.fullmatch(symbol):
            return make(secType="OPT", localSymbol=symbol, exchange="SMART", currency=self._settings.currency)
        if any(c.isdigit() for c in symbol) and _FUTURE.fullmatch(symbol):
            return make(secType="FUT", localSymbol=symbol)
        name = symbol.replace(".", " ")
        return make(secType="STK", symbol=name, exchange="SMART", currency=self._settings.currency)

    def _query_of(self, symbol: str, terms: ContractTerms) -> Any:
        if terms.con_id:
            return self._library.contract(conId=terms.con_id, exchange=terms.exchange)
        return self._library.contract(
            secType=terms.sec_type,
            symbol=terms.symbol or ("" if terms.local_symbol else symbol),
            exchange=terms.exchange,
            primaryExchange=terms.primary_exchange,
            currency=terms.currency or self._settings.currency,
            localSymbol=terms.local_symbol,
            lastTradeDateOrContractMonth=terms.last_trade_date,
            multiplier=terms.multiplier,
            tradingClass=terms.trading_class,
        )

    async def _steps(self, connection: Connection, details: Any) -> tuple[PriceStep, ...]:
        exchanges = details.validExchanges.split(",")
        rules = [int(rule) for rule in details.marketRuleIds.split(",") if rule]
        at = exchanges.index(details.contract.exchange) if details.contract.exchange in exchanges else 0
        if at >= len(rules):
            return (PriceStep(low_edge=exact(0.0), increment=exact(details.minTick)),) if details.minTick else ()
        if rules[at] not in self._rules:
            steps = await connection.ask_market_rule(rules[at])
            self._rules[rules[at]] = tuple(
                PriceStep(low_edge=exact(step.lowEdge), increment=exact(step.increment)) for step in steps
            )
        return self._rules[rules[at]]


def _shown(contract: Any) -> str:
    name, where = contract.localSymbol or contract.symbol, contract.primaryExchange or contract.exchange
    return f"con_id {contract.conId}: {contract.secType} {name} {where} {contract.currency}"
