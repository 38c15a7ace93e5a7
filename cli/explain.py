"""Explain: the chain that leads from an order back to the bars, and on to what became of it."""

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.tree import Tree

from adapters.sql.rows import json_value
from cli.approve import approved_by
from cli.pages import page
from trading.errors import OrderUnknown
from trading.orders.executions import SendMark

if TYPE_CHECKING:
    from adapters.sql.ledger import Ledger


def explain_order(ledger: "Ledger", cl_ord_id: str) -> dict[str, Any]:
    """Return the whole chain as JSON values.

    Raises:
        OrderUnknown: neither made nor refused here.
    """
    decision = ledger.journal.decision_of(cl_ord_id)
    if decision is None:
        raise OrderUnknown(cl_ord_id)
    order = ledger.journal.order(cl_ord_id)
    verdict = next(v for v in ledger.journal.risk_decisions(decision["decision_id"]) if v.cl_ord_id == cl_ord_id)
    marks, reports = ledger.journal.history(cl_ord_id)
    report = ledger.facts.quality_report(decision["verdict_id"])
    explanation = {
        "order": order.new_order if order else None,
        "status": order.ord_status if order else "never made: refused",
        "risk_decision": verdict,
        "target": next((t for t in decision["targets"] if t["symbol"] == verdict.symbol), None),
        "decision": {k: v for k, v in decision.items() if k != "targets"},
        "approved_by": approved_by(ledger, decision["decision_id"], cl_ord_id),
        "quality": None
        if report is None
        else {"day": report.day_verdict, "rows": report.rows, "source": report.source},
        "sent": marks,
        "reports": reports,
    }
    plain: dict[str, Any] = json_value(explanation)
    return plain


def show_explanation(explanation: dict[str, Any]) -> None:
    """Print the chain as a tree, from the order down to the bars."""
    order, verdict, target = explanation["order"], explanation["risk_decision"], explanation["target"]
    decision, quality = explanation["decision"], explanation["quality"]
    what = f"{order['side']} {order['order_qty']} {order['symbol']} {order['ord_type']}" if order else verdict["symbol"]
    tree = Tree(f"[bold]{verdict['cl_ord_id']}[/bold]  {escape(what)}: [bold]{explanation['status']}[/bold]")
    gate = tree.add(escape(f"risk gate: {_told(verdict)}"))
    if verdict["before"]:
        gate.add(escape(f"{verdict['before']} before, {verdict['value']} as asked, limit {verdict['limit']}"))
    tree.add(escape(f"approval: {explanation['approved_by']}"))
    if target:
        sized = f"weight {target['weight']:.4f} at {target['reference_px']} makes {target['target_qty']}"
        held = f"held {target['held_qty']}, so {target['order_qty']} ({target['reason']})"
        tree.add(escape(f"target: {sized}, {held}"))
    decided = tree.add(escape(f"decision {decision['decision_id']} at {decision['decided_at']}"))
    decided.add(escape(f"{decision['strategy']} {decision['parameters']} with equity {decision['equity']}"))
    decided.add(escape(decision["code_version"]))
    bars = tree.add(escape(f"bars of {decision['source']}, {decision['first_session']} to {decision['bars_session']}"))
    bars.add(f"sha256 {decision['bars_hash']}")
    found = f"{quality['day']}, {quality['rows']:,} bars checked" if quality else "not in this ledger"
    bars.add(f"quality verdict {decision['verdict_id']}: {found}")
    went_out = any(mark["mark"] == SendMark.SENDING for mark in explanation["sent"])
    sent = tree.add("sent" if went_out else "never sent")
    for mark in explanation["sent"]:
        sent.add(escape(f"{mark['marked_at']} {mark['mark']} {mark['text']}"))
    heard = tree.add("the broker said" if explanation["reports"] else "the broker said nothing")
    for r in explanation["reports"]:
        fill = f" {r['last_qty']} at {r['last_px']}, commission {r['commission']}" if r["last_px"] else ""
        heard.add(escape(f"{r['transact_time']} {r['exec_type']}{fill} ({r['exec_id']}) {r['text']}"))
    page().print(tree, highlight=False)


def _told(verdict: dict[str, Any]) -> str:
    if verdict["code"] is None:
        return "accepted"
    if not verdict["accepted"]:
        return f"refused {verdict['code']}: {verdict['text']}"
    quantities = f"from {verdict['asked_qty']} to {verdict['granted_qty']}"
    return f"reduced {quantities} by {verdict['code']}: {verdict['text']}"
