"""Stop an account: halt it, cancel all that works, end a process that hangs, and close what is held if that is asked.

It is called by a command, a flow, the watchdog or a breaker, in their process, with a broker session of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from adapters.heartbeats import STOPS, Heartbeat, beat, heartbeats, stops_under_way
from adapters.sql.fence import Ended, end_holders, force_halt
from blocks.desk import Clock, Desk
from blocks.plug import cancel_at
from blocks.routes import Route
from tasks.beat import BEAT_SECONDS
from tasks.cancel import Canceled, cancel_orders
from tasks.flatten import Flattened, flatten, times_of
from tasks.recover import resolve_unknown
from tasks.send import LEASE_TIME
from trading.errors import LeaseHeld, TradingError
from trading.ledger import Lease
from trading.orders.flatten import FlattenRules
from trading.orders.orders import OrderPurpose

_JOIN_LOOK_SECONDS = 0.2
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

    Calling it again is safe at any moment. One that comes while another process stops the account waits for that, and
    then does what is left; it takes over only from one that is frozen or not heard any more.

    Args:
        reason: kept with the halt.
        flatten: how positions are closed; None leaves them.
        lease: the account's, where this process holds it.
        say: told what is waited for.

    Raises:
        LedgerError: the halt cannot be written; what could be canceled is.
    """
    joined = await _join(desk, say)
    async with _telling(desk, reason, say):
        return await _stop(desk, reason, flatten, clock, actor, lease, say, after_another=joined)


async def _stop(
    desk: Desk,
    reason: str,
    flatten: FlattenRules | None,
    clock: Clock,
    actor: str,
    lease: Lease | None,
    say: Callable[[str], None],
    *,
    after_another: bool,
) -> Stopped:
    halted = asyncio.create_task(asyncio.to_thread(_halt, desk, reason, actor, clock))
    for line in [] if after_another else await cancel_at(_routes(desk)):  # with neither waiting for the other
        say(line)
    ended = await halted
    # Only then is it sure that nothing comes after the cancel; the gateways have been told before.
    ended += await asyncio.to_thread(
        end_holders,
        desk.ledger.engine,
        [desk.name],
        grace_seconds=GRACE_SECONDS,
        but_for=lambda: {other.pid for other in _others(desk)},
    )
    at = times_of(desk, clock).place
    await _resolve(desk, f"stop ({reason})", lease, at)
    closes = after_another and not _works_beside_closing(desk)  # what the other has sent to close is left at work
    canceled = Canceled(done=0, still_open=0, errors=()) if closes else await _cancel(desk, at)
    for heartbeat in heartbeats(desk.storage.home):
        if heartbeat.account == desk.name:
            heartbeat.path.unlink(missing_ok=True)  # whoever lives beats again
    stopped = Stopped(account=desk.name, canceled=canceled, ended=ended)
    return stopped if flatten is None else await _flattened(desk, stopped, reason, flatten, clock, lease, say)


def _others(desk: Desk) -> list[Heartbeat]:
    """Return the other processes that stop the account now."""
    return [other for other in stops_under_way(desk.storage.home, datetime.now(UTC)) if other.account == desk.name]


async def _join(desk: Desk, say: Callable[[str], None]) -> bool:
    """Wait until no other process stops the account that was at it before; return whether one has come to its end."""
    waited_for: dict[int, Heartbeat] = {}
    while others := _others(desk):
        for other in others:
            if other.pid not in waited_for:
                say(f"{desk.name}: a stop by process {other.pid} is under way ({other.holder}); this one waits for it.")
            waited_for[other.pid] = other
        await asyncio.sleep(_JOIN_LOOK_SECONDS)
    left = {heartbeat.pid for heartbeat in heartbeats(desk.storage.home, STOPS)} & waited_for.keys()
    for pid in sorted(left):
        say(f"{desk.name}: the stop by process {pid} is frozen, or not heard any more; this one takes over.")
    return bool(waited_for.keys() - left)


@asynccontextmanager
async def _telling(desk: Desk, reason: str, say: Callable[[str], None]) -> AsyncIterator[None]:
    """Beat for other stops for as long as the event loop turns."""
    going_on = asyncio.create_task(_beat(desk, f"stop ({reason})", say))
    await asyncio.sleep(0)  # the first beat comes before anything else
    try:
        yield
    finally:
        going_on.cancel()
        with suppress(asyncio.CancelledError):
            await going_on


async def _beat(desk: Desk, holder: str, say: Callable[[str], None]) -> None:
    path: Path | None = None
    try:
        while True:
            path = beat(desk.storage.home, desk.name, holder, STOPS)
            await asyncio.sleep(BEAT_SECONDS)
    except OSError as exc:  # a full disk must not keep anything from being stopped
        say(f"{desk.name}: another stop will not see that this one is under way: {exc.strerror}")
    finally:
        if path is not None:
            path.unlink(missing_ok=True)


def _works_beside_closing(desk: Desk) -> bool:
    orders = desk.ledger.journal.orders(desk.name, open_only=True)
    return any(not o.may_be_sent and o.new_order.purpose is not OrderPurpose.FLATTEN for o in orders)


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
