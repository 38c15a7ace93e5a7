"""The probe: what a gateway answers when it is asked step by step, never for longer than the settings say.

It has a connection of its own under the data role's client id, so that it takes no trader's, and a loop of its own, so
that whoever calls it sees plain values only. Nothing it sends can trade: the one order is a what-if.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any

from adapters.ib.connection import Connection, RequestRefused
from adapters.ib.contracts import ContractBook, ContractRefused, Listed
from adapters.ib.decimals import exact, exact_or_none
from adapters.ib.ib_settings import IbSettings, Role
from adapters.ib.library import Library, load_library
from adapters.ib.price_steps import grid_prices
from adapters.ib.what_if import make_what_if
from adapters.request_budget import Priority, RequestBudget
from trading.errors import BrokerUnavailable
from trading.orders.orders import Side

_CLIENT_ID_IN_USE = 326
_DELAYED_OK = 3  # live where it is paid for, delayed elsewhere
_PRICES = {4: False, 9: False, 1: False, 2: False, 68: True, 75: True, 66: True, 67: True}  # tick type: is it delayed
_NOT_LIVE = {2: "frozen", 3: "delayed", 4: "delayed"}
_FAR = Decimal("0.5")  # of the quote: a limit that no market reaches
_FALLBACK_PX = Decimal(1)


class Reached(IntEnum):
    """How far the probe came."""

    NOTHING = 0
    SOCKET = 1  # it was taken, and nothing said that is the protocol
    GREETING = 2  # the version was said, and no session started
    SESSION = 3


class DataKind(StrEnum):
    """How fresh market data are."""

    LIVE = "live"
    FROZEN = "frozen"
    DELAYED = "delayed"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted:
    """What came of asking for a quote.

    Attributes:
        px: the first price told; None when there was none.
        why: why there was none.
    """

    kind: DataKind
    px: Decimal | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """What one share at a far limit would cost; nothing was sent to a market.

    Attributes:
        margin_change: of the initial margin; None when it was refused.
        why: the refusal.
    """

    px: Decimal
    margin_change: Decimal | None = None
    commission: Decimal | None = None
    currency: str = ""
    warning: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a gateway answered.

    Attributes:
        why: what kept it from coming further; empty when a session started.
        versions: of the protocol, oldest and newest, that the library speaks.
        server_version: None when the gateway never said it.
        accounts: that the login has.
        silent: whether no session started because nothing more was said, as while a second factor is pending.
        client_id_in_use: whether that was why no session started.
        skew_seconds: the gateway's clock less ours, as far as whole seconds show; None when it did not answer.
        quoted: None when it was not asked, nor are the later ones then.
    """

    place: str
    client_id: int
    library: str
    versions: tuple[int, int]
    symbol: str
    reached: Reached = Reached.NOTHING
    why: str = ""
    server_version: int | None = None
    silent: bool = False
    client_id_in_use: bool = False
    accounts: tuple[str, ...] = ()
    skew_seconds: float | None = None
    quoted: Quoted | None = None
    what_if: WhatIf | None = None


async def probe_gateway(
    settings: IbSettings,
    account: str,
    symbol: str,
    *,
    now: Callable[[], datetime],
    budget: RequestBudget | None = None,
) -> Probe:
    """Ask a gateway who it is and what it would do, and return all that it answered.

    Raises:
        InvalidValue: the client library is not installed.
    """
    asked = _Asked(settings=settings, account=account, symbol=symbol, now=now, budget=budget)
    return await asyncio.to_thread(lambda: asyncio.run(_probe(asked)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    settings: IbSettings
    account: str
    symbol: str
    now: Callable[[], datetime]
    budget: RequestBudget | None


@dataclass(slots=True)
class _Ear:
    """Hears what belongs to no question; only errors say anything of the gateway."""

    codes: list[int] = field(default_factory=list)
    give_up: Callable[[str], None] = lambda _why: None

    def order_seen(self, contract: Any, order: Any, state: Any, *, completed: bool) -> None:
        """Ignore other clients' orders."""

    def status_seen(self, order_id: int, perm_id: int, client_id: int, status: str, filled: float, why: str) -> None:
        """Ignore them."""

    def execution_seen(self, contract: Any, execution: Any) -> None:
        """Ignore them."""

    def commission_seen(self, report: Any) -> None:
        """Ignore them."""

    def error_seen(self, _req_id: int, code: int, text: str) -> None:
        """Keep the code; a client id in use ends the login."""
        self.codes.append(code)
        if code == _CLIENT_ID_IN_USE:
            self.give_up(f"{code}: {text}")


async def _probe(asked: _Asked) -> Probe:
    library, settings = await load_library(asked.settings.library), asked.settings
    ear, lost = _Ear(), list[str]()
    connection = Connection(library, settings, Role.DATA, ear, on_lost=lost.append, budget=asked.budget)
    ear.give_up = connection.end_login
    found = Probe(
        place=connection.place,
        client_id=connection.client_id,
        library=f"{library.name} {library.version}",
        versions=(library.oldest_version, library.newest_version),
        symbol=asked.symbol,
    )
    versions: list[int] = []
    connection.client.apiError += lambda _why: versions.append(connection.client.serverVersion())  # forgotten after it
    began = asyncio.get_running_loop().time()
    try:
        await connection.open(lambda: versions.append(connection.client.serverVersion()))
    except BrokerUnavailable as exc:
        silent = asyncio.get_running_loop().time() - began >= settings.connect_seconds
        return replace(_not_opened(found, exc, max(versions, default=0), ear.codes), silent=silent)
    try:
        return await _ask_all(asked, library, connection, replace(found, server_version=versions[0]))
    finally:
        connection.close()


def _not_opened(found: Probe, exc: BrokerUnavailable, version: int, codes: list[int]) -> Probe:
    reached = Reached.GREETING if version else Reached.NOTHING if isinstance(exc.__cause__, OSError) else Reached.SOCKET
    return replace(
        found,
        reached=reached,
        why=exc.why,
        server_version=version or None,
        client_id_in_use=_CLIENT_ID_IN_USE in codes,
    )


async def _ask_all(asked: _Asked, library: Library, connection: Connection, found: Probe) -> Probe:
    found = replace(found, reached=Reached.SESSION, accounts=connection.accounts)
    try:
        found = replace(found, skew_seconds=await _skew(connection, asked.now))
        listed = await ContractBook(library, asked.settings).look_up(connection, asked.symbol)
        quoted = await _quote(connection, listed)
        found = replace(found, quoted=quoted)
        what_if = await _what_if(library, connection, asked.account, listed, quoted.px)
        return replace(found, what_if=what_if)
    except BrokerUnavailable as exc:
        return replace(found, why=exc.why)
    except ContractRefused as exc:
        return replace(found, why=str(exc))


async def _skew(connection: Connection, now: Callable[[], datetime]) -> float:
    before = now().timestamp()
    told = await connection.ask_time()
    after = now().timestamp()
    if told > after:
        return told - after
    return min(told + 1 - before, 0.0)  # it tells whole seconds: it may be up to one later than it says


async def _quote(connection: Connection, listed: Listed) -> Quoted:
    """Open one line for the first price of it, and give the line back."""
    client, receiver, number = connection.client, connection.receiver, connection.next_id()
    told: dict[str, DataKind] = {}

    def heard(req_id: int, what: str, value: Any) -> None:
        question = receiver.questions.get(number)
        if req_id != number or question is None:
            return
        if what == "type":
            told["kind"] = DataKind(_NOT_LIVE.get(value, "live"))
        elif what == "px" and value[0] in _PRICES and (px := exact_or_none(value[1])) is not None and px > 0:
            told.setdefault("kind", DataKind.DELAYED if _PRICES[value[0]] else DataKind.LIVE)
            question.add(px)
            question.end()

    receiver.on_quote = heard
    await connection.post(lambda: client.reqMarketDataType(_DELAYED_OK), Priority.DATA)
    try:
        parts = await connection.ask(
            number,
            lambda: client.reqMktData(number, listed.contract, "", False, False, []),
            Priority.DATA,
            f"a quote of {listed.symbol}",
        )
    except RequestRefused as exc:
        return Quoted(kind=DataKind.NONE, why=str(exc))
    except BrokerUnavailable as exc:
        if not connection.is_open:
            raise
        await connection.post(lambda: client.cancelMktData(number), Priority.DATA)
        return Quoted(kind=DataKind.NONE, why=exc.why)
    await connection.post(lambda: client.cancelMktData(number), Priority.DATA)
    return Quoted(kind=told["kind"], px=parts[0])


async def _what_if(
    library: Library, connection: Connection, account: str, listed: Listed, quote_px: Decimal | None
) -> WhatIf:
    """Ask what a buy of one share at half its price would cost."""
    wanted = quote_px * _FAR if quote_px is not None else _FALLBACK_PX
    px = grid_prices(listed.steps, Side.BUY, wanted, None)[0] or wanted
    order = {
        "action": "BUY",
        "totalQuantity": 1.0,
        "orderType": "LMT",
        "lmtPrice": float(px),
        "tif": "DAY",
        "account": account,
    }
    try:
        state = await connection.ask_what_if(listed.contract, make_what_if(library, order))
    except RequestRefused as exc:
        return WhatIf(px=px, why=str(exc))
    except BrokerUnavailable as exc:
        return WhatIf(px=px, why=exc.why)
    return WhatIf(
        px=px,
        margin_change=exact(state.initMarginChange),
        commission=exact_or_none(state.commission) or exact_or_none(state.maxCommission),
        currency=state.commissionCurrency,
        warning=state.warningText,
    )
