"""The upkeep of a session: attempt after attempt while it is wanted, where it stands, and word to all who wait."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any

from adapters.ib.connection import NAME
from adapters.ib.ib_settings import IbSettings
from adapters.ib.session_states import SessionState, SessionTransition, backoff_seconds
from trading.errors import BrokerUnavailable


class Upkeep:
    """Keeps one session connected.

    Args:
        connect: makes one attempt; raises BrokerUnavailable when it failed.
        on_transition: called with every change of state.
        sleep: waits between attempts.
        chance: jitter of the waits.

    Attributes:
        why: what is known of why the session does not stand.
    """

    def __init__(
        self,
        settings: IbSettings,
        connect: Callable[[], Awaitable[None]],
        *,
        now: Callable[[], datetime],
        on_transition: Callable[[SessionTransition], None] | None,
        sleep: Callable[[float], Awaitable[None]],
        chance: Callable[[], float],
    ) -> None:
        self.state, self.why = SessionState.DISCONNECTED, ""
        self._settings, self._connect, self._now = settings, connect, now
        self._on_transition, self._sleep, self._chance = on_transition, sleep, chance
        self._keeping: asyncio.Task[None] | None = None
        self._beside: asyncio.Task[None] | None = None
        self._outcome: asyncio.Future[None] | None = None
        self._wake, self._ended = asyncio.Event(), asyncio.Event()

    @property
    def is_on(self) -> bool:
        """Tell whether it was started and not stopped since."""
        return self._keeping is not None

    def start(self) -> None:
        """Make attempts from now on."""
        self._keeping = asyncio.create_task(self._keep())
        self._keeping.add_done_callback(self._gave_up)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run some work beside it that ends with it."""
        self._beside = asyncio.create_task(work)

    async def stop(self) -> None:
        """Make no more attempts, now that it was started."""
        ending = {task for task in (self._keeping, self._beside) if task is not None}
        for task in ending:
            task.cancel()
        await asyncio.wait(ending)
        self._keeping = self._beside = None

    async def outcome(self) -> None:
        """Wait for the attempt under way, or for the next one, which is made at once.

        Raises:
            BrokerUnavailable: it failed.
        """
        self._wake.set()
        await asyncio.shield(self.next_outcome())

    def next_outcome(self) -> "asyncio.Future[None]":
        """Return what is done with the end of the attempt under way, or else of the next one."""
        if self._outcome is None or self._outcome.done():
            self._outcome = asyncio.get_running_loop().create_future()
        return self._outcome

    # -- what becomes of an attempt

    def begin(self, cause: str) -> None:
        """Begin an attempt."""
        self._ended.clear()
        self.next_outcome()
        self.to(SessionState.CONNECTING, cause)

    def to(self, state: SessionState, cause: str, missed: Sequence[str] = ()) -> None:
        """Change the state, if this is a change."""
        if state is self.state:
            return
        at = self._now()
        transition = SessionTransition(at=at, before=self.state, after=state, cause=cause, missed=tuple(missed))
        self.state = state
        if self._on_transition is not None:
            self._on_transition(transition)

    def succeed(self, cause: str, missed: Sequence[str]) -> None:
        """Be READY, and tell those who wait."""
        self.to(SessionState.READY, cause, missed)
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(None)

    def degrade(self, why: str) -> None:
        """Be DEGRADED; those who wait go on waiting."""
        self.why = why
        self.to(SessionState.DEGRADED, why)

    def fail(self, why: str) -> None:
        """Tell those who wait that it failed."""
        self.why = why
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_exception(BrokerUnavailable(NAME, why))
            self._outcome.exception()  # nobody may be waiting

    def lost(self, why: str) -> None:
        """Have the next attempt made, since the connection has ended."""
        self.why = why
        self._ended.set()

    # -- one attempt after another

    async def _keep(self) -> None:
        attempt = 0
        while True:
            try:
                await self._connect()
            except BrokerUnavailable as exc:
                attempt += 1
                self.fail(exc.why)
            else:
                attempt = 0
                await self._ended.wait()
                self.fail(self.why)
            self.to(self._without(), self.why)
            await self._pause(attempt or 1)

    def _gave_up(self, keeping: "asyncio.Task[None]") -> None:
        """Tell who waits what kept us from ever trying, such as a library that is not installed."""
        if not keeping.cancelled() and (exc := keeping.exception()) is not None:
            self._keeping = None
            self.next_outcome().set_exception(exc)

    async def _pause(self, attempt: int) -> None:
        """Wait before the next attempt; who needs the session now does not wait."""
        seconds = backoff_seconds(
            attempt,
            first=self._settings.backoff_first_seconds,
            most=self._settings.backoff_most_seconds,
            jitter=self._chance(),
        )
        self._wake.clear()
        waits = {asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._wake.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _without(self) -> SessionState:
        in_window = self._settings.maintenance_at(self._now()) is not None
        return SessionState.MAINTENANCE if in_window else SessionState.DISCONNECTED
