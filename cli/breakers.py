"""`openbell breakers` and `openbell reset`: which circuit breakers are tripped, and a person's word that ends one."""

from datetime import UTC, datetime
from typing import Annotated, Any

from cyclopts import Parameter

from cli.accounts import require_known
from cli.prepare import home_folder
from cli.shell import open_ledger, person, say
from trading.risk.breakers import BreakerKind

Account = Annotated[str | None, Parameter(help="Name of the broker account; by default all.")]


def breakers(
    *,
    account: Account = None,
    every: Annotated[bool, Parameter(name="--all", negative=(), help="Every change of an account's breakers.")] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative=(), help="Print JSON.")] = False,
) -> None:
    """List the tripped circuit breakers: what they go by, what they forbid and what ends them."""
    from cli.pages import show

    title = f"Breakers of {account}" if account else "Tripped breakers"
    show(title, breaker_rows(account, every=every), as_json=as_json)


def reset(
    kind: Annotated[BreakerKind, Parameter(help="Kind of the breaker, as `openbell breakers` shows it.")],
    *,
    account: Annotated[str, Parameter(help="Name of the broker account.")],
    reason: Annotated[str, Parameter(help="Why trading may go on; kept in the audit trail.")],
    subject: Annotated[str | None, Parameter(help="Symbol, of a breaker of one symbol.")] = None,
) -> None:
    """End a tripped circuit breaker by your name."""
    from trading.risk.breaker_changes import BreakerEvent, after_reset

    now = datetime.now(UTC)
    change = open_ledger().breakers.reset(account, kind, subject, actor=person(), reason=reason, now=now)
    if change.event is BreakerEvent.RESET_REQUESTED:
        say(f"Noted. Breaker {change.name} of {account} is reset when a second person says so.", markup=False)
        return
    say(f"Breaker {change.name} of {account} is reset; {after_reset(kind)}.", markup=False)


def breaker_rows(account: str | None = None, *, every: bool = False) -> list[dict[str, Any]]:
    """Return one row per tripped breaker, or per change that there was."""
    ledger, now = open_ledger(), datetime.now(UTC)
    kept = ledger.breakers
    found = kept.history(account) if every else kept.tripped(account)
    if account is not None and not found:
        require_known(ledger, home_folder(), account)
    return [
        {
            "account": c.account,
            "breaker": c.name,
            "state": c.event.value if c.until is None or now < c.until or every else "its time is over",
            "since": c.changed_at if every else c.tripped_at,
            "cause": c.cause,
            "action": c.action.value,
            "until": c.until,
            "by": c.actor,
            "reason": c.reason,
        }
        for c in found
    ]
