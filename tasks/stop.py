"""Stop an account: halt it, cancel all that works, end a process that hangs, and close what is held if that is asked.

It is called by a command, a flow, the watchdog or a breaker, in their process, with a broker session of its own.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from adapters.heartbeats import heartbeats
from adapters.sql.fence import Ended, end_holders, force_halt
from blocks.desk import Clock, Desk
from blocks.plug import cancel_at
from blocks.routes import Route
from tasks.cancel import Canceled, cancel_orders
from tasks.flatten import Flattened, flatten, times_of
from tasks.recover import resolve_unknown
from tasks.send import LEASE_TIME
from trading.errors import LeaseHeld, TradingError
from trading.ledger import Lease
from trading.orders.flatten import FlattenRules

GRACE_SECONDS = 3.0  # a healthy trader looks at the halt before each order, and ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """What stopping an account came to.

    Attributes:
        ended: processes that had to be killed.
        flattened: None where that was not asked for.
        errors: why something could not be done.
    """

    account: str
    canceled: Canceled
    ended: tuple[Ended, ...] = ()
    flattened: Flattened | None = None
    errors: tuple[str, ...] = ()

    @property
    def is_safe(self) -> bool:
        """Tell whether nothing that was to be canceled or closed is left; orders that wait for the open are."""
        unclosed = self.flattened is not None and self.flattened.unclosed
        return not (self.canceled.still_open or self.errors or unclosed)

    def lines(self) -> list[str]:
        """Return it for a person, a line each."""
        done = self.canceled
        lines = [str(ended) for ended in self.ended]
        lines.append(f"{self.account}: {done.done} orders canceled or done, {done.still_open} still open")
        lines += [f"{self.account}: {error}" for error in (*done.errors, *self.errors)]
        if self.flattened is not None:
            left, working = self.flattened.left, self.flattened.working
            held = ", ".join(f"{qty} {symbol}" for symbol, qty in sorted(left.items())) or "nothing"
            lines.append(f"{self.account}: {self.flattened.sent} closing orders sent, {working} work, {held} is held")
            lines += [f"{self.account}: {note}" for note in self.flattened.notes]
        return lines


def _unsaid(_: str) -> None:
    """Say nothing."""


async def stop_account(
    desk: Desk,
    *,
    reason: str,
    flatten: FlattenRules | None,
    clock: Clock,
    actor: str = "openbell",
    lease: Lease | None = None,
    say: Callable[[str], None] = _unsaid,
) -> Stopped:
    """Halt the account until a person resumes it, cancel all that works, and close all that is held if asked.

    Calling it again is safe at any moment.

    Args:
        reason: kept with the halt.
        flatten: how positions are closed; None leaves them.
        lease: the account's, where this process holds it.
        say: told what is waited for.

    Raises:
        LedgerError: the halt cannot be written; what could be canceled is.
    """
    halted = asyncio.create_task(asyncio.to_thread(_halt, desk, reason, actor, clock))
    for line in await cancel_at(_routes(desk)):  # with neither waiting for the other
        say(line)
    ended = await halted
    # Only then is it sure that nothing comes after the cancel; the gateways have been told before.
    ended += await asyncio.to_thread(end_holders, desk.ledger.engine, [desk.name], grace_seconds=GRACE_SECONDS)
    at = times_of(desk, clock).place
    await _resolve(desk, f"stop ({reason})", lease, at)
    canceled = await _cancel(desk, at)
    for heartbeat in heartbeats(desk.storage.home):
        if heartbeat.account == desk.name:
            heartbeat.path.unlink(missing_ok=True)  # whoever lives beats again
    stopped = Stopped(account=desk.name, canceled=canceled, ended=ended)
    return stopped if flatten is None else await _flattened(desk, stopped, reason, flatten, clock, lease, say)


async def _flattened(
    desk: Desk,
    stopped: Stopped,
    reason: str,
    rules: FlattenRules,
    clock: Clock,
    lease: Lease | None,
    say: Callable[[str], None],
) -> Stopped:
    try:
        return replace(stopped, flattened=await flatten(desk, f"stop ({reason})", rules, clock, say, lease))
    except TradingError as exc:
        return replace(stopped, errors=(f"not flattened: {exc}",))


def _routes(desk: Desk) -> list[Route]:
    return [] if desk.account.is_simulated else [Route(account=desk.name, settings=desk.account.ib)]


def _halt(desk: Desk, reason: str, actor: str, clock: Clock) -> tuple[Ended, ...]:
    return force_halt(desk.ledger.engine, desk.ledger.halts, desk.name, reason, actor, clock())


async def _resolve(desk: Desk, holder: str, lease: Lease | None, clock: Clock) -> None:
    """Find out what became of orders that nobody has answered for, where the account's lease is to be had."""
    if all(o.order_id or o.may_be_sent for o in desk.ledger.journal.orders(desk.name, open_only=True)):
        return
    try:
        mine = lease or desk.ledger.leases.acquire(desk.name, holder, LEASE_TIME)
    except LeaseHeld:
        return  # of another machine: they stay UNKNOWN, and are told so
    trader = desk.as_trader()
    try:
        await resolve_unknown(trader, mine, clock)
    finally:
        if lease is None:
            await trader.broker(clock).close()
            desk.ledger.leases.release(mine)


async def _cancel(desk: Desk, clock: Clock) -> Canceled:
    stopper = desk.as_stopper()
    try:
        return await cancel_orders(stopper, clock)
    finally:
        await stopper.broker(clock).close()  # another stop wants its place at the broker
