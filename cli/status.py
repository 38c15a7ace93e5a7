"""Status: whether the desk trades, and what each account was last worth."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.approve import waiting_rows
from cli.watchdog import watchdog_row
from trading.risk.restrictions import RestrictionKind

if TYPE_CHECKING:
    from adapters.sql.ledger import Ledger


def status_rows(ledger: "Ledger", home: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the tables of the status page by title."""
    now = datetime.now(UTC)
    halts = [{"scope": scope, "cause": cause} for scope, cause in ledger.halts.status().items()]
    breakers = [
        {"account": c.account, "breaker": c.name, "action": c.action.value, "since": c.tripped_at, "cause": c.cause}
        for c in ledger.breakers.tripped()
        if c.is_tripped(now)
    ]
    in_part = any(row["action"] == RestrictionKind.HALT for row in breakers)
    due = [{"severity": a.severity.value, "alert": a.title, "raised": a.raised_at} for a in ledger.outbox.due()]
    return {
        "Desk": [
            {
                "home": home,
                "trades": "NO" if halts else "in part" if in_part else "yes",
                "watchdog": watchdog_row(home, now),
                "alerts not delivered": len(due),
            }
        ],
        "Halts": halts,
        "Tripped breakers": breakers,
        "Accounts": [_account_row(ledger, account) for account in ledger.journal.accounts()],
        "Waiting for approval": waiting_rows(ledger),
        "Alerts not delivered": due[-20:],
    }


def _account_row(ledger: "Ledger", account: str) -> dict[str, Any]:
    last = (ledger.facts.reconciliations(account) or (None,))[-1]
    lease = ledger.leases.current(account)
    return {
        "account": account,
        "traded by": lease.holder if lease else "nobody",
        "working orders": len(ledger.journal.orders(account, open_only=True)),
        "reconciled": last.session if last else None,
        "at": last.reconciled_at if last else None,
        "equity": last.equity if last else None,
        "breaks": len(last.breaks) if last else None,
    }
