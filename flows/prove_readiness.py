"""On demand, before real money: that the way to the broker works, on the user's own paper account."""

from typing import Annotated, Any

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from pydantic import Field

from adapters.ib.guard import is_paper_account
from adapters.readiness_files import write_report
from blocks.broker_account import Mode
from blocks.desk import Desk, open_desk, wall_clock
from flows.guard import ended
from flows.leasing import leasing
from flows.on_failure import tell_failure
from tasks.deliver import deliver
from tasks.prove import prove_gateway, prove_order, publish_readiness
from tasks.recover import recover
from trading.errors import InvalidValue
from trading.readiness import ReadinessReport


@flow(
    name="prove-readiness",
    retries=0,
    on_failure=[tell_failure],
    on_crashed=[tell_failure],
    on_cancellation=[tell_failure],
)
async def prove_readiness(
    account: str,
    symbol: Annotated[str, Field(min_length=1)] = "SPY",
    storage: str = "desk",
) -> State[Any]:
    """Connect to a paper account at Interactive Brokers, send one order that cannot fill, and leave a report.

    A live account may be armed for 30 days after it has passed.

    Args:
        account: Name of the block of a paper account at Interactive Brokers.
        symbol: What the order is for: one share, far below the market.
        storage: Name of the desk storage block.
    """
    desk = await open_desk(account, storage)
    _require_paper(desk)
    probe, checks = await prove_gateway(desk, symbol, wall_clock)
    if all(check.ok for check in checks):
        holder = f"prove-readiness {runtime.flow_run.name} ({runtime.flow_run.id})"
        async with leasing(desk, holder) as (trader, lease):
            await recover(trader, lease, wall_clock)
            quote_px = probe.quoted.px if probe.quoted is not None else None
            checks += tuple(await prove_order(trader, lease, symbol, quote_px, wall_clock))
    report = ReadinessReport(
        account=desk.name,
        host=desk.account.ib.host,
        port=desk.account.ib.port,
        library=desk.account.ib.library,
        server_version=probe.server_version,
        checks=checks,
        at=wall_clock(),
    )
    path = write_report(desk.storage.home, report)
    await publish_readiness(report)
    await deliver(desk.storage, desk.ledger)
    bad = [check.name for check in checks if not check.ok]
    message = f"{desk.name}: {len(checks) - len(bad)} of {len(checks)} checks passed; {path}"
    return ended(f"{message}; look at: {', '.join(bad)}" if bad else message, name="Not ready" if bad else None)


def _require_paper(desk: Desk) -> None:
    """Refuse whatever could be real money before anything is connected."""
    if desk.account.is_simulated:
        raise InvalidValue(
            "broker_kind", desk.account.broker_kind.value, "interactive_brokers: a simulator proves nothing"
        )
    if desk.account.mode is not Mode.PAPER or not is_paper_account(desk.name) or not desk.name.isalnum():
        rule = "a paper account (DU..., DF...) in mode paper; orders are sent to it, so real money is refused"
        raise InvalidValue("account", f"{desk.name} in mode {desk.account.mode}", rule)
