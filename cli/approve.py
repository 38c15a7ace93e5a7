"""`openbell approve`: a person's word on orders that wait for it, with neither Prefect nor a browser.

The answer goes into the ledger; a run that is paused for it looks there every two seconds.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from trading.errors import InvalidValue
from trading.risk.approvals import Approval, ApprovalVerdict

if TYPE_CHECKING:
    from adapters.sql.ledger import Ledger


def waiting_rows(ledger: "Ledger") -> list[dict[str, Any]]:
    """Return a row for each decision that waits for a person, oldest first."""
    now = datetime.now(UTC)
    return [
        {
            "decision": a.request.decision_id,
            "orders": len(a.orders),
            "until": a.request.deadline,
            "state": "too late" if a.request.deadline <= now else "waits",
            "why": a.request.reason,
            "answers": "; ".join(given.text for given in a.answers),
        }
        for a in ledger.approvals.waiting()
    ]


def answer(
    ledger: "Ledger",
    decision: str | None,
    account: str | None,
    *,
    only: str | None,
    none: bool,
    note: str,
    actor: str,
) -> str:
    """Record the answer, and return a line that says what it comes to.

    Raises:
        AnswerRefused: it is settled, too late, or this person has answered.
        InvalidValue: nothing waits, more than one decision does, or the answer does not fit.
    """
    if none and only is not None:
        raise InvalidValue("--only", only, "left out with --none")
    verdict = ApprovalVerdict.NONE if none else ApprovalVerdict.ALL if only is None else ApprovalVerdict.SOME
    approval = ledger.approvals.answer(
        decision or _only_one(ledger, account),
        actor=actor,
        verdict=verdict,
        only=(only or "").split(",") if only is not None else (),
        note=note,
        now=datetime.now(UTC),
    )
    return _told(approval)


def approved_by(ledger: "Ledger", decision_id: str, cl_ord_id: str) -> str:
    """Return who approved an order, when and with which note."""
    approval = ledger.approvals.of(decision_id)
    if approval is None or cl_ord_id not in approval.orders:
        return "not needed"
    if approval.waits:
        return approval.text
    return f"{'given' if cl_ord_id in approval.approved else 'not given'}: {approval.text}"


def _only_one(ledger: "Ledger", account: str | None) -> str:
    found = [a.request.decision_id for a in ledger.approvals.waiting(account)]
    if len(found) != 1:
        rule = "one with exactly one decision that waits"
        raise InvalidValue("account", account, f"{rule}, not {', '.join(found) or 'none'}")
    return found[0]


def _told(approval: Approval) -> str:
    if approval.waits:
        return f"Recorded. {approval.request.decision_id}: {approval.text}."
    count = f"{len(approval.approved)} of {len(approval.orders)} orders"
    if not approval.approved:
        return f"Recorded: none of the {len(approval.orders)} orders of {approval.request.decision_id} will be sent."
    return f"Recorded: {count} of {approval.request.decision_id} are approved; the run that waits sends them."
