"""Proposals: what a person is shown of orders before they are approved, as markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from trading.market.option_symbols import multiplier_of
from trading.orders.orders import NewOrderSingle
from trading.risk.report import stresses_of
from trading.risk.risk_model import RiskModel, exposure_value
from trading.risk.tail_measures import tail_risk

_ZERO = Decimal(0)
MOST_LINES = 50  # in a form; the artifact has them all
RiskLine = tuple[str, str, str]  # what, before and after the orders


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """Orders that wait for approval, and the account they are for.

    Attributes:
        held: signed quantity per symbol.
        prices: last price per unit, of the symbols that have one.
        multipliers: of instruments whose multiplier is not 1, where the symbol does not tell.
    """

    orders: Sequence[NewOrderSingle]
    held: Mapping[str, Decimal]
    prices: Mapping[str, Decimal]
    multipliers: Mapping[str, Decimal]
    equity: Decimal

    def held_after(self) -> dict[str, Decimal]:
        """Return what is held once all orders are filled."""
        after = dict(self.held)
        for part in (part for order in self.orders for part in order.parts()):
            after[part.symbol] = after.get(part.symbol, _ZERO) + part.signed_qty
        return after

    def value(self, order: NewOrderSingle) -> Decimal:
        """Return what an order is worth at the last prices, all its legs together; 0 for what has no price."""
        return sum((part.order_qty * self.unit_value(part.symbol) for part in order.parts()), _ZERO)

    def unit_value(self, symbol: str) -> Decimal:
        """Return what one unit is worth at the last price; 0 when there is none."""
        return self.prices.get(symbol, _ZERO) * multiplier_of(symbol, self.multipliers)


def order_rows(proposed: Proposed) -> list[dict[str, str]]:
    """Return a row per order, the one that is worth most first."""
    ordered = sorted(proposed.orders, key=lambda order: -proposed.value(order))
    return [
        {
            "symbol": order.symbol,
            "side": order.side.value,
            "quantity": str(order.order_qty),
            "value": f"{proposed.value(order):,.2f}",
            "type": order.ord_type.value,
            "limit": str(order.price or ""),
            "cl_ord_id": order.cl_ord_id,
        }
        for order in ordered
    ]


def risk_lines(proposed: Proposed) -> list[RiskLine]:
    """Return what the form says of the account's risk, before the orders and once all of them are filled."""
    after, equity = proposed.held_after(), proposed.equity
    now, then = (
        {s: q * proposed.unit_value(s) for s, q in qtys.items() if q and s in proposed.prices}
        for qtys in (proposed.held, after)
    )
    lines = [
        ("gross exposure", _share(_gross(now), equity), _share(_gross(then), equity)),
        ("net exposure", _share(sum(now.values(), _ZERO), equity), _share(sum(then.values(), _ZERO), equity)),
        ("largest position", _largest(now, equity), _largest(then, equity)),
    ]
    unpriced = sorted(s for s, qty in after.items() if qty and s not in proposed.prices)
    return lines + ([("not counted, for want of a price", "", ", ".join(unpriced))] if unpriced else [])


def measure_lines(proposed: Proposed, model: RiskModel, level: float) -> list[RiskLine]:
    """Return what a session may lose, and what the worst scenario would; nothing where no history is in store."""
    if not model.index:
        return []
    now, then = (
        {
            s: exposure_value(s, qty, proposed.prices[s], multiplier_of(s, proposed.multipliers))
            for s, qty in qtys.items()
            if s in proposed.prices
        }
        for qtys in (proposed.held, proposed.held_after())
    )
    before, after = (tail_risk(model.values(worth) @ model.returns, level) for worth in (now, then))
    worst_before, worst_after = stresses_of(model, now)[0], stresses_of(model, then)[0]

    def line(name: str, *amounts: float) -> RiskLine:
        first, second = (_share(Decimal(repr(amount)), proposed.equity) for amount in amounts)
        return name, first, second

    return [
        line(f"value at risk, {level:.0%}", before.value_at_risk, after.value_at_risk),
        line(f"expected shortfall, {level:.0%}", before.expected_shortfall, after.expected_shortfall),
        line(f"worst stress ({worst_after.scenario})", worst_before.loss, worst_after.loss),
    ]


def changed_targets(now: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    """Return the lines of the targets that are not as they were in the book's session before.

    Args:
        now, before: decisions as the ledger gives them.
    """
    if before is None:
        return "There is no session before to compare with."
    new, old = ({t["symbol"]: t["target_qty"] for t in decision["targets"]} for decision in (now, before))
    changed = [s for s in sorted({*new, *old}) if Decimal(new.get(s, 0)) != Decimal(old.get(s, 0))]
    rows = [(s, str(old.get(s, 0)), str(new.get(s, 0))) for s in changed]
    return f"Targets that differ from those of {before['session']}:\n\n" + table(("symbol", "before", "now"), rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in markdown, of `MOST_LINES` rows at most."""
    if not rows:
        return "None."
    lines = [head, ["---"] * len(head), *rows[:MOST_LINES]]
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    left = len(rows) - MOST_LINES
    return f"{text}\n\nand {left} more; the run's artifact `approval` has every order." if left > 0 else text


def _gross(worth: Mapping[str, Decimal]) -> Decimal:
    return sum(map(abs, worth.values()), _ZERO)


def _share(amount: Decimal, equity: Decimal) -> str:
    return f"{amount:z,.0f}" + (f" ({amount / equity:z.1%})" if equity > 0 else "")


def _largest(worth: Mapping[str, Decimal], equity: Decimal) -> str:
    if not worth:
        return "none"
    symbol = max(worth, key=lambda s: (abs(worth[s]), s))
    return f"{symbol} {_share(worth[symbol], equity)}"
