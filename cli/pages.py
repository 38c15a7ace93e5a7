"""Pages of the terminal: what the ledger holds, for a person or as JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adapters.sql.rows import json_value
from trading.breaks import Break
from trading.market.quality import QualityReport, SymbolVerdict
from trading.orders.orders import Order
from trading.positions.books import Books, position_value
from trading.readiness import Check
from trading.reconciliation import Reconciliation
from trading.risk.limits import RiskDecision

NUMBERS = frozenset(
    {"weight", "price", "held", "target", "order", "quantity", "filled", "value", "cost", "realized", "dividends"}
    | {"commission", "working orders", "equity"}
)
CASH = frozenset({"value", "cost", "realized", "dividends", "commission", "equity"})  # shown in cents
PLAIN_WIDTH = 140  # of a page that goes to a file or a pipe


def show(title: str, rows: Sequence[Mapping[str, Any]], *, as_json: bool = False) -> None:
    """Print rows as a table, or as one JSON array."""
    if as_json:
        show_json(list(rows))
        return
    if not rows:
        page().print(f"[bold]{escape(title)}[/bold]: none")
        return
    table = Table(title=escape(title), title_justify="left", title_style="bold")
    for name in rows[0]:
        table.add_column(
            name, justify="right" if name in NUMBERS else "left", overflow="fold", no_wrap=name == "cl_ord_id"
        )
    for row in rows:
        table.add_row(*(escape(_cell(name, value)) for name, value in row.items()))
    page().print(table)


def show_json(value: object) -> None:
    """Print the value as one JSON document, numbers with all their digits."""
    page().print_json(json.dumps(json_value(value), default=str))


def page() -> Console:
    """Return where pages are printed: as wide as the terminal, or wide enough for a file."""
    return Console() if Console().is_terminal else Console(width=PLAIN_WIDTH)


def _cell(name: str, value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    return f"{value:,.2f}" if name in CASH and isinstance(value, Decimal) else str(value)


def order_rows(orders: Sequence[Order]) -> list[dict[str, Any]]:
    """Return one row per order."""
    return [
        {
            "session": o.new_order.session,
            "symbol": o.new_order.symbol,
            "side": o.new_order.side.value,
            "quantity": o.new_order.order_qty,
            "status": o.ord_status.value,
            "filled": o.cum_qty,
            "price": f"{o.avg_px:.4f}" if o.avg_px is not None else None,
            "commission": o.commission,
            "cl_ord_id": o.cl_ord_id,
        }
        for o in orders
    ]


def position_rows(books: Books, marks: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row per position that is not flat."""
    return [
        {
            "symbol": symbol,
            "quantity": p.qty,
            "price": marks.get(symbol),
            "value": position_value(symbol, p.qty, marks[symbol]) if symbol in marks else None,
            "cost": sum((position_value(symbol, lot.qty, lot.px) for lot in p.lots), Decimal(0)),
            "realized": p.realized_pnl,
            "dividends": p.dividends,
            "commission": p.commission,
        }
        for symbol, p in sorted(books.positions.items())
        if p.qty
    ]


def break_rows(reconciliations: Sequence[Reconciliation]) -> list[dict[str, Any]]:
    """Return one row per break of these reconciliations."""
    return [{"session": r.session, **break_row(b)} for r in reconciliations for b in r.breaks]


def break_row(found: Break) -> dict[str, Any]:
    """Return the row of one break."""
    return {
        "type": found.break_type.value,
        "subject": found.subject,
        "ours": found.ours,
        "theirs": found.theirs,
        "what": found.text,
    }


def target_rows(decision: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row per target of a recorded decision."""
    return [
        {
            "symbol": t["symbol"],
            "weight": f"{t['weight']:.4f}",
            "price": t["reference_px"] or "",
            "held": t["held_qty"],
            "target": t["target_qty"],
            "order": t["order_qty"],
            "reason": t["reason"],
        }
        for t in decision["targets"]
    ]


def risk_rows(verdicts: Sequence[RiskDecision], decision: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row per decision of the gate, with the order and its value at the price it was sized by."""
    targets = {t["symbol"]: t for t in decision["targets"]}
    return [
        {
            "symbol": v.symbol,
            "order": targets[v.symbol]["order_qty"],
            "value": f"{_value_of(targets[v.symbol]):,.2f}",
            "decision": v.told().replace(":", ""),
            "limit": v.limit,
            "before": v.before,
            "would be": v.value,
        }
        for v in verdicts
    ]


def _value_of(target: Mapping[str, Any]) -> Decimal:
    return position_value(target["symbol"], Decimal(target["order_qty"]), Decimal(target["reference_px"]))


def check_rows(checks: Sequence[Check]) -> list[dict[str, Any]]:
    """Return one row per check; what is not well, or could be better, comes with its remedy."""
    return [{"check": c.name, "ok": c.verdict, "found": c.text, "remedy": c.remedy or ""} for c in checks]


def quality_line(report: QualityReport) -> str:
    """Return the verdict in one line."""
    verdicts = [v for _, v in report.symbols]
    counts = ", ".join(f"{verdicts.count(v)} {v.value}" for v in SymbolVerdict if verdicts.count(v))
    return (
        f"[bold]Bars[/bold] of {escape(report.source)} for {report.session}: [bold]{report.day_verdict.upper()}[/bold] "
        f"({counts}; {report.rows:,} bars checked, verdict {report.verdict_id})"
    )
