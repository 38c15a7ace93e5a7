"""Asking persons: the run pauses until they have said what may be sent.

The ledger alone decides: what the form brings is recorded there like the answer of the command line, and a run that is
paused looks into the ledger too. It holds no lease meanwhile, since a person takes longer than a lease lasts.
"""

from datetime import datetime
from typing import Literal

from prefect import runtime
from prefect.input import RunInput
from prefect.logging import get_run_logger
from prefect.utilities.urls import url_for
from pydantic import Field

from blocks.desk import Desk, wall_clock
from flows.pausing import pause
from tasks.approve import propose
from tasks.deliver import deliver
from tasks.tell import tell_waiting
from trading.errors import AnswerRefused, InvalidValue
from trading.risk.approvals import NOBODY, Approval, ApprovalVerdict


class OrderApproval(RunInput):
    """A person's word on the orders of a decision."""

    approve: Literal["all", "some", "none"] = Field(default="none", description="Which of the orders may be sent.")
    symbols: list[str] = Field(default_factory=list, description="With `some`: the symbols that may be sent.")
    your_name: str = Field(min_length=1, description="Who you are; kept in the audit trail.")
    note: str = Field(default="", description="Why; kept too.")


async def ask_persons(desk: Desk, approval: Approval, open_at: datetime) -> Approval:
    """Ask until the request is settled: by persons, here or at the command line, or by its deadline."""
    decision_id = approval.request.decision_id
    proposal = await propose(desk, approval, open_at)
    link = url_for("flow-run", obj_id=runtime.flow_run.id) or f"run {runtime.flow_run.id}"
    tell_waiting(desk, approval, link, wall_clock())
    await deliver(desk.storage, desk.ledger)
    refusal = ""
    while (now := desk.ledger.approvals.of(decision_id) or approval).waits:
        answer = await _pause(
            desk, now, "\n\n".join(filter(None, (refusal, f"{now.text[:1].upper()}{now.text[1:]}.", proposal)))
        )
        refusal = _record(desk, decision_id, answer)
    get_run_logger().info("%s: %s", decision_id, now.text)
    return now


def _record(desk: Desk, decision_id: str, answer: OrderApproval) -> str:
    """Record what the form brought, and return why it could not be."""
    if answer.your_name == NOBODY:
        return ""
    try:
        desk.ledger.approvals.answer(
            decision_id,
            actor=answer.your_name,
            verdict=ApprovalVerdict(answer.approve),
            only=answer.symbols,
            note=answer.note,
            now=wall_clock(),
        )
    except (AnswerRefused, InvalidValue) as exc:
        get_run_logger().warning("%s", exc)
        return f"**{exc}**"
    return ""


async def _pause(desk: Desk, approval: Approval, description: str) -> OrderApproval:
    left = (approval.request.deadline - wall_clock()).total_seconds()
    form = OrderApproval.with_initial_data(description=description)
    nobody = {"approve": "none", "your_name": NOBODY}  # it is settled in the ledger; the form's values say nothing
    return await pause(form, left, lambda: not _still_waits(desk, approval), nobody)


def _still_waits(desk: Desk, approval: Approval) -> bool:
    desk.ledger.approvals.close_late(desk.name, wall_clock())
    now = desk.ledger.approvals.of(approval.request.decision_id)
    return now is not None and now.waits
