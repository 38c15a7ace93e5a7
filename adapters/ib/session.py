"""The session: one client id at one gateway, kept connected and told apart from what it merely looks like."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TypeVar

from adapters.ib.connection import NAME, Connection
from adapters.ib.contracts import ContractBook
from adapters.ib.error_codes import ErrorClass
from adapters.ib.heard import Heard
from adapters.ib.ib_settings import IbSettings, Role
from adapters.ib.journal import Journal
from adapters.ib.library import Library, load_library
from adapters.ib.memory import Memory
from adapters.ib.records import Records
from adapters.ib.session_states import SessionState, SessionTransition, backoff_seconds
from adapters.ib.values import account_cash
from adapters.request_budget import RequestBudget
from trading.errors import BrokerUnavailable, LedgerUnavailable
from trading.money import Money
from trading.orders.executions import ExecutionReport

T = TypeVar("T")
_DUPLICATE_ORDER_ID = 103
_PORT_CHANGED = 1300
_IDS_SKIPPED = 1000  # the gateway has gone back in its sequence, and does not say how far
_OPENING_TRIES = 5
_LINK_LOST = (1100, 2110)
_LINK_BACK = (1101, 1102)
_FARM_WENT, _FARM_CAME = (2103, 2105), (2104, 2106)
_SUBSCRIPTIONS_LOST = (1101, 2104)


class IbSession:
    """One client id's session; everything here belongs to the owner's loop.

    It connects when it is first needed and from then on by itself. READY means that open and completed orders,
    executions, positions and account values have been asked for and all told to their end on this very socket.

    Args:
        records: where reports are kept; None for a session of data only, which asks for no orders.
        on_transition: called on the owner's loop with every change of state.
        sleep: waits between attempts; given by tests.
        chance: jitter of the waits.
    """

    def __init__(
        self,
        settings: IbSettings,
        role: Role,
        records: Records | None,
        *,
        now: Callable[[], datetime],
        budget: RequestBudget | None = None,
        on_transition: Callable[[SessionTransition], None] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.settings, self.role, self.state = settings, role, SessionState.DISCONNECTED
        self.now = now
        self._records, self._budget, self._sleep, self._chance = records, budget, sleep, chance
        self._on_transition = on_transition
        self._keeping: asyncio.Task[None] | None = None
        self._outcome: asyncio.Future[None] | None = None
        self._wake, self._ended = asyncio.Event(), asyncio.Event()
        self._why, self._cut, self._was_ready = "", "", False
        self._round = 0
        self._pulses: list[asyncio.Future[None]] = []
        self._missed: list[str] | None = None
        self._asking = asyncio.Lock()
        self._resync: asyncio.Task[None] | None = None
        self.asked_at = float("-inf")
        self._pacing = ("", float("-inf"))
        self.on_subscriptions_lost: list[Callable[[], None]] = []
        self.on_error: list[Callable[[int, int, str], None]] = []
        self.journal: Journal | None = None

    # -- what callers use

    @property
    def name(self) -> str:
        """Return what it is called in messages."""
        return f"{self.settings.host}:{self.settings.port} as client {self.settings.client_id_of(self.role)}"

    async def ready(self, *, to_send: bool = False, to_cancel: bool = False) -> Connection:
        """Return the connection once it is synchronised; connects when it is not.

        Args:
            to_send: for something new; then a maintenance window will not do.
            to_cancel: to lower risk; then a link that is lost beyond the gateway will do.

        Raises:
            BrokerUnavailable: it is not to be had; the message says why.
        """
        self._start()
        if to_send and (window := self.settings.maintenance_at(self.now())) is not None:
            until = f"{window.ends:%H:%M} {window.zone}"
            raise BrokerUnavailable(NAME, f"it is IB's maintenance window until {until}; send again after it")
        if self.state is SessionState.DEGRADED:
            if to_cancel:
                return self.connection
            raise BrokerUnavailable(NAME, f"{self.name} has lost its link to IB ({self._why}); it reconnects itself")
        if self.state is not SessionState.READY:
            self._wake.set()
            await asyncio.shield(self._next_outcome())
        return self.connection

    async def renew(self, why: str) -> None:
        """Leave the socket for a new one, and return once that is synchronised.

        Raises:
            BrokerUnavailable: there is no new one.
        """
        noticed = self._next_outcome()
        self.memory.executions.flush()
        self.connection.close()
        self._lost(why)
        with suppress(BrokerUnavailable):
            await asyncio.shield(noticed)
        await self.ready()

    async def until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Wait until something heard makes it so; False when the time is over first."""
        deadline = self._time() + seconds
        while not done():
            pulse = asyncio.get_running_loop().create_future()
            self._pulses.append(pulse)
            left = deadline - self._time()
            if left <= 0 or not (await asyncio.wait({pulse}, timeout=left))[0]:
                return done()
        return True

    async def ask_orders(self) -> None:
        """Have orders and executions told anew and in full; several who ask at once are answered together.

        Raises:
            BrokerUnavailable: they were not told to their end.
        """
        asked = self._time()
        async with self._asking:
            if self.asked_at > asked:
                return  # somebody began to ask after we came, and has the answer
            started = self._time()
            self.memory.generation += 1
            await self.connection.ask_orders()
            await self._meet_strangers()
            self.memory.asked()
            self.asked_at = started

    def require_healthy(self, connection: Connection) -> None:
        """Raise BrokerUnavailable unless that connection is still the one, open and with its link to IB."""
        if connection is not self.connection or not connection.is_open:
            raise connection.lost(self._why)
        if self.state is not SessionState.READY:
            raise BrokerUnavailable(NAME, f"{self.name} is {self.state.name}: {self._why}")

    def is_stale(self) -> bool:
        """Tell whether it is time to ask for everything again."""
        return self._time() - self.asked_at >= self.settings.ask_again_seconds

    def notices(self) -> str:
        """Return what IB lately said of messages thrown away, as a clause."""
        text, at = self._pacing
        return f"; it said {text}" if self._time() - at < 2 * self.settings.answer_seconds else ""

    async def settled(self) -> None:
        """Have all that was heard written down.

        Raises:
            BrokerUnavailable: the ledger does not take it.
        """
        try:
            await self._book.settled()
        except LedgerUnavailable as exc:
            raise BrokerUnavailable(NAME, str(exc)) from exc

    async def records(self, work: Callable[[Records], T]) -> T:
        """Do some work with the records.

        Raises:
            BrokerUnavailable: the ledger cannot be read.
        """
        book = self._book
        try:
            return await book.run(lambda: work(book.records))
        except LedgerUnavailable as exc:
            raise BrokerUnavailable(NAME, str(exc)) from exc

    @property
    def _book(self) -> Journal:
        if self.journal is None:
            raise BrokerUnavailable(NAME, f"{self.name} is for data only")
        return self.journal

    async def close(self) -> None:
        """End the session; it can be used again."""
        if self._keeping is None:
            return
        ending = {task for task in (self._keeping, self._resync) if task is not None}
        for task in ending:
            task.cancel()
        await asyncio.wait(ending)
        self._keeping = self._resync = None
        if hasattr(self, "connection"):
            self.memory.executions.flush()
            self.connection.close()
        if self.journal is not None:
            await self.journal.close()
        self._fail("the session was closed")
        self._to(SessionState.DISCONNECTED, "closed")

    # -- staying connected

    def _start(self) -> None:
        if self._keeping is None:
            self.journal = Journal(self._records, self._written) if self._records is not None else None
            self._keeping = asyncio.create_task(self._keep())
            self._keeping.add_done_callback(self._gave_up)

    def _gave_up(self, keeping: "asyncio.Task[None]") -> None:
        """Tell who waits what kept us from ever trying, such as a library that is not installed."""
        if not keeping.cancelled() and (exc := keeping.exception()) is not None:
            self._keeping = None
            self._next_outcome().set_exception(exc)

    async def _keep(self) -> None:
        attempt = 0
        self.library = await load_library(self.settings.library)
        while True:
            try:
                await self._connect(self.library)
            except BrokerUnavailable as exc:
                attempt += 1
                self._fail(exc.why)
                self._to(self._without(), exc.why)
                await self._pause(attempt)
                continue
            if self._was_ready:
                self._tell_subscriptions_lost()
            attempt, self._was_ready = 0, True
            await self._ended.wait()
            self._fail(self._why)
            self._to(self._without(), self._why)
            await self._pause(1)

    async def _connect(self, library: Library) -> None:
        self._ended.clear()
        self._farms: set[str] = set()
        self._cut = ""
        self._next_outcome()
        self._to(SessionState.CONNECTING, f"connecting to {self.name}")
        self.contracts = ContractBook(library, self.settings)
        self.memory = self._new_memory()
        self.connection = Connection(library, self.settings, self.role, self, on_lost=self._lost, budget=self._budget)
        await self.connection.open(lambda: self._to(SessionState.AUTHENTICATING, "the gateway answers"))
        try:
            await self._synchronise("connected")
        except BaseException:
            self.connection.close()
            raise

    async def _synchronise(self, cause: str) -> None:
        if self._cut:  # said right at the login: what the gateway tells now is not all there is
            self._to(SessionState.DEGRADED, self._cut)
            self._fail(self._cut)
            return
        self._to(SessionState.SYNCHRONIZING, cause)
        self._round += 1
        number = self._round
        self._missed = missed = list[str]()
        try:
            if self._records is not None:
                await self._ask_everything()
        finally:
            if self._missed is missed:
                self._missed = None
        if not self.connection.is_open:
            raise BrokerUnavailable(NAME, self._why or "the gateway closed the connection")
        if number != self._round:
            return  # the link went and came meanwhile; the later round asks what was missed
        if self.state is not SessionState.SYNCHRONIZING:
            self._fail(self._why)  # the link to IB was lost meanwhile; its return brings us here again
            return
        told = f"; {len(missed)} report(s) came only now: {', '.join(missed)}" if missed else ""
        self._to(SessionState.READY, f"synchronised after: {cause}{told}", missed)
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(None)

    async def _ask_everything(self) -> None:
        await self.contracts.learn_named(self.connection)
        await self.ask_orders()
        await self.connection.ask_positions()
        await self._settle_executions()
        for account in self.connection.accounts:
            await self._open_account(account)

    async def _settle_executions(self) -> None:
        await self.until(lambda: not self.memory.executions.is_waiting(), self.settings.commission_seconds)
        self.memory.executions.flush()
        await self.settled()

    async def _open_account(self, account: str) -> None:
        cash = await self._cash_of(account)
        if await self.records(lambda records: bool(records.movements(account))):
            return
        for _ in range(_OPENING_TRIES):
            before = self.memory.executions.told()
            await self.ask_orders()
            await self._settle_executions()
            if self.memory.executions.told() == before:  # so none fell between the executions and the cash
                await self.records(partial(Records.open_account, account=account, cash=cash, at=self.now()))
                return
            cash = await self._cash_of(account)
        raise BrokerUnavailable(NAME, f"account {account} is traded so fast that its opening balance cannot be told")

    async def _cash_of(self, account: str) -> Money:
        return account_cash(await self.connection.ask_account(account), self.settings.currency)

    async def _meet_strangers(self) -> None:
        """Learn the legs of combos that were not known by their number, and take their orders again."""
        strange, self.memory.strange = self.memory.strange, []
        for contract, order, state, completed in strange:
            await self.contracts.learn_legs(self.connection, contract)
            self.memory.order_seen(contract, order, state, completed=completed)

    def _lost(self, why: str) -> None:
        self._why = why
        self._ended.set()
        self._pulse()

    async def _pause(self, attempt: int) -> None:
        """Wait before the next attempt; who needs the session now does not wait."""
        seconds = backoff_seconds(
            attempt,
            first=self.settings.backoff_first_seconds,
            most=self.settings.backoff_most_seconds,
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
        in_window = self.settings.maintenance_at(self.now()) is not None
        return SessionState.MAINTENANCE if in_window else SessionState.DISCONNECTED

    def _next_outcome(self) -> "asyncio.Future[None]":
        if self._outcome is None or self._outcome.done():
            self._outcome = asyncio.get_running_loop().create_future()
        return self._outcome

    def _fail(self, why: str) -> None:
        self._why = why
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_exception(BrokerUnavailable(NAME, why))
            self._outcome.exception()  # nobody may be waiting

    def _to(self, state: SessionState, cause: str, missed: Sequence[str] = ()) -> None:
        if state is self.state:
            return
        transition = SessionTransition(at=self.now(), before=self.state, after=state, cause=cause, missed=tuple(missed))
        self.state = state
        if self._on_transition is not None:
            self._on_transition(transition)

    # -- what the connection hears

    def order_seen(self, contract: object, order: object, state: object, *, completed: bool) -> None:
        """Take an openOrder or completedOrder."""
        self.memory.order_seen(contract, order, state, completed=completed)
        self._pulse()

    def status_seen(self, order_id: int, perm_id: int, client_id: int, status: str, filled: float, why: str) -> None:
        """Take an orderStatus."""
        self.memory.status_seen(order_id, perm_id, client_id, status, filled, why)
        self._pulse()

    def execution_seen(self, contract: object, execution: object) -> None:
        """Take an execDetails."""
        self.memory.execution_seen(contract, execution)
        self._pulse()

    def commission_seen(self, report: object) -> None:
        """Take a commissionReport."""
        self.memory.commission_seen(report)
        self._pulse()

    def error_seen(self, req_id: int, code: int, text: str) -> None:
        """Take an error or a notice."""
        error_class = self.memory.error_seen(req_id, code, text)
        if code == 326:
            client_id = self.settings.client_id_of(self.role)
            self.connection.end_login(
                f"client id {client_id} is in use there: another Openbell process has it as its "
                f"{self.role.name.lower()}, or other software; stop it, or set another client_id"
            )
        elif code == _PORT_CHANGED:
            # Later: the library still reads what came with this message.
            asyncio.get_running_loop().call_soon(self._moved, self.connection, f"{code}: {text}")
        elif error_class is ErrorClass.CONNECTIVITY:
            self._link(code, text)
        elif error_class is ErrorClass.PACING:
            self._pacing = (f"{code}: {text}", self._time())
        elif code == _DUPLICATE_ORDER_ID:
            self.connection.skip_ids(req_id + _IDS_SKIPPED)
        for listen in self.on_error:
            listen(req_id, code, text)
        self._pulse()

    def _link(self, code: int, text: str) -> None:
        connected = self.state in (SessionState.READY, SessionState.DEGRADED, SessionState.SYNCHRONIZING)
        if code in _LINK_LOST:
            self._cut = f"{code}: {text}"
            if connected:
                self._why = self._cut
                self._to(SessionState.DEGRADED, self._why)
        elif code in _FARM_WENT:
            self._farms.add(_farm(text))
        elif code in _FARM_CAME and (_farm(text) not in self._farms or self.state is not SessionState.READY):
            self._farms.add(_farm(text))  # at the login each says that it is there; or the link itself is not
        elif code in _LINK_BACK and self.state is SessionState.AUTHENTICATING:
            self._cut = ""
        elif code in (*_LINK_BACK, *_FARM_CAME) and self.state in (SessionState.READY, SessionState.DEGRADED):
            self._cut = ""
            self._resync = asyncio.create_task(self._synchronise_again(code, f"{code}: {text}"))

    def _moved(self, connection: Connection, said: str) -> None:
        if connection is self.connection and connection.is_open:
            connection.close()
            self._lost(f"{said}; set the account's port to the new one, for nobody answers on the old one")

    async def _synchronise_again(self, code: int, cause: str) -> None:
        self._next_outcome()
        try:
            await self._synchronise(cause)
        except BrokerUnavailable as exc:
            self.connection.close()
            self._lost(f"{exc.why} (after {cause})")
            return
        if code in _SUBSCRIPTIONS_LOST:
            self._tell_subscriptions_lost()

    def _tell_subscriptions_lost(self) -> None:
        for subscribe in self.on_subscriptions_lost:
            subscribe()

    def _heard(self, heard: Heard) -> None:
        if self.journal is not None:
            self.journal.put(heard)
        self._pulse()

    def _written(self, reports: Sequence[ExecutionReport]) -> None:
        if self._missed is not None:
            self._missed += [r.exec_id for r in reports]

    def _pulse(self) -> None:
        pulses, self._pulses = self._pulses, []
        for pulse in pulses:
            if not pulse.done():
                pulse.set_result(None)

    def _time(self) -> float:
        return asyncio.get_running_loop().time()

    def _new_memory(self) -> Memory:
        loop = asyncio.get_running_loop()
        return Memory(
            tell=self._heard,
            symbol_of=self.contracts.symbol_of,
            own_codes=self.settings.error_codes,
            now=self.now,
            monotonic=loop.time,
            later=loop.call_later,
            commission_seconds=self.settings.commission_seconds,
        )


def _farm(text: str) -> str:
    """Return which farm a notice is about; "Market data farm connection is OK:usfarm" is about usfarm."""
    return text.rpartition(":")[2].strip()
