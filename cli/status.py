"""Status: whether the desk trades, and what each account was last worth."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.watchdog import watchdog_row

if TYPE_CHECKING:
    from adapters.sql.ledger import Ledger


def status_rows(ledger: "Ledger", home: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the tables of the status page by title."""
    halts = [{"scope": scope, "cause": cause} for scope, cause in ledger.halts.status().items()]
    due = [{"severity": a.severity.value, "alert": a.title, "raised": a.raised_at} for a in ledger.outbox.due()]
    return {
        "Desk": [
            {
                "home": home,
                "trades": "NO" if halts else "yes",
                "watchdog": watchdog_row(home, datetime.now(UTC)),
                "alerts not delivered": len(due),
            }
        ],
        "Halts": halts,
        "Accounts": [_account_row(ledger, account) for account in ledger.journal.accounts()],
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
