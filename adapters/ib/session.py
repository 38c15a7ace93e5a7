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
from adapters.ib.library import load_library
from adapters.ib.link import SUBSCRIPTIONS_LOST, Link, LinkNews
from adapters.ib.memory import Memory
from adapters.ib.pulse import Pulse
from adapters.ib.records import Records
from adapters.ib.session_states import SessionState, SessionTransition
from adapters.ib.upkeep import Upkeep
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
        self.settings, self.role, self.now = settings, role, now
        self._records, self._budget = records, budget
        self._upkeep = Upkeep(settings, self._connect, now=now, on_transition=on_transition, sleep=sleep, chance=chance)
        self._was_connected = False
        self._round = 0
        self.pulse = Pulse()
        self._missed: list[str] | None = None
        self._asking = asyncio.Lock()
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

    @property
    def state(self) -> SessionState:
        """Return where it stands."""
        return self._upkeep.state

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
            raise BrokerUnavailable(
                NAME, f"{self.name} has lost its link to IB ({self._upkeep.why}); it reconnects itself"
            )
        if self.state is not SessionState.READY:
            await self._upkeep.outcome()
        return self.connection

    async def renew(self, why: str) -> None:
        """Leave the socket for a new one, and return once that is synchronised.

        Raises:
            BrokerUnavailable: there is no new one.
        """
        noticed = self._upkeep.next_outcome()
        self.memory.executions.flush()
        self.connection.close()
        self._lost(why)
        with suppress(BrokerUnavailable):
            await asyncio.shield(noticed)
        await self.ready()

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
            raise connection.lost(self._upkeep.why)
        if self.state is not SessionState.READY:
            raise BrokerUnavailable(NAME, f"{self.name} is {self.state.name}: {self._upkeep.why}")

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
        if not self._upkeep.is_on:
            return
        await self._upkeep.stop()
        if hasattr(self, "connection"):
            self.memory.executions.flush()
            self.connection.close()
        if self.journal is not None:
            await self.journal.close()
        self._upkeep.fail("the session was closed")
        self._upkeep.to(SessionState.DISCONNECTED, "closed")

    # -- staying connected

    def _start(self) -> None:
        if not self._upkeep.is_on:
            self.journal = Journal(self._records, self._written) if self._records is not None else None
            self._upkeep.start()

    async def _connect(self) -> None:
        self.library = library = await load_library(self.settings.library)
        self._upkeep.begin(f"connecting to {self.name}")
        self._link = Link()
        self.contracts = ContractBook(library, self.settings)
        self.memory = self._new_memory()
        self.connection = Connection(library, self.settings, self.role, self, on_lost=self._lost, budget=self._budget)
        await self.connection.open(lambda: self._upkeep.to(SessionState.AUTHENTICATING, "the gateway answers"))
        try:
            await self._synchronise("connected")
        except BaseException:
            self.connection.close()
            raise
        if self._was_connected:
            self._tell_subscriptions_lost()
        self._was_connected = True

    async def _synchronise(self, cause: str) -> None:
        if self._link.cut:  # said right at the login: what the gateway tells now is not all there is
            self._upkeep.degrade(self._link.cut)
            self._upkeep.fail(self._link.cut)
            return
        self._upkeep.to(SessionState.SYNCHRONIZING, cause)
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
            raise BrokerUnavailable(NAME, self._upkeep.why or "the gateway closed the connection")
        if number != self._round:
            return  # the link went and came meanwhile; the later round asks what was missed
        if self.state is not SessionState.SYNCHRONIZING:
            self._upkeep.fail(self._upkeep.why)  # the link to IB was lost meanwhile; its return brings us here again
            return
        told = f"; {len(missed)} report(s) came only now: {', '.join(missed)}" if missed else ""
        self._upkeep.succeed(f"synchronised after: {cause}{told}", missed)

    async def _ask_everything(self) -> None:
        await self.contracts.learn_named(self.connection)
        await self.ask_orders()
        await self.connection.ask_positions()
        await self._settle_executions()
        for account in self.connection.accounts:
            await self._open_account(account)

    async def _settle_executions(self) -> None:
        await self.pulse.until(lambda: not self.memory.executions.is_waiting(), self.settings.commission_seconds)
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
        self._upkeep.lost(why)
        self.pulse.beat()

    # -- what the connection hears

    def order_seen(self, contract: object, order: object, state: object, *, completed: bool) -> None:
        """Take an openOrder or completedOrder."""
        self.memory.order_seen(contract, order, state, completed=completed)
        self.pulse.beat()

    def status_seen(self, order_id: int, perm_id: int, client_id: int, status: str, filled: float, why: str) -> None:
        """Take an orderStatus."""
        self.memory.status_seen(order_id, perm_id, client_id, status, filled, why)
        self.pulse.beat()

    def execution_seen(self, contract: object, execution: object) -> None:
        """Take an execDetails."""
        self.memory.execution_seen(contract, execution)
        self.pulse.beat()

    def commission_seen(self, report: object) -> None:
        """Take a commissionReport."""
        self.memory.commission_seen(report)
        self.pulse.beat()

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
            self._link_told(code, text)
        elif error_class is ErrorClass.PACING:
            self._pacing = (f"{code}: {text}", self._time())
        elif code == _DUPLICATE_ORDER_ID:
            self.connection.skip_ids(req_id + _IDS_SKIPPED)
        for listen in self.on_error:
            listen(req_id, code, text)
        self.pulse.beat()

    def _link_told(self, code: int, text: str) -> None:
        said = f"{code}: {text}"
        match self._link.take(code, text, self.state):
            case LinkNews.LOST if self.state in (SessionState.READY, SessionState.DEGRADED, SessionState.SYNCHRONIZING):
                self._upkeep.degrade(said)
            case LinkNews.BACK:
                self._upkeep.run(self._synchronise_again(code, said))

    def _moved(self, connection: Connection, said: str) -> None:
        if connection is self.connection and connection.is_open:
            connection.close()
            self._lost(f"{said}; set the account's port to the new one, for nobody answers on the old one")

    async def _synchronise_again(self, code: int, cause: str) -> None:
        self._upkeep.next_outcome()
        try:
            await self._synchronise(cause)
        except BrokerUnavailable as exc:
            self.connection.close()
            self._lost(f"{exc.why} (after {cause})")
            return
        if code in SUBSCRIPTIONS_LOST:
            self._tell_subscriptions_lost()

    def _tell_subscriptions_lost(self) -> None:
        for subscribe in self.on_subscriptions_lost:
            subscribe()

    def _heard(self, heard: Heard) -> None:
        if self.journal is not None:
            self.journal.put(heard)
        self.pulse.beat()

    def _written(self, reports: Sequence[ExecutionReport]) -> None:
        if self._missed is not None:
            self._missed += [r.exec_id for r in reports]

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
