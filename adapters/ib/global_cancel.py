"""The plug: cancel everything at a gateway with one message; needs no ledger and no other process."""

from collections.abc import Callable
from typing import Any

from adapters.ib.connection import Connection
from adapters.ib.ib_settings import IbSettings, Role
from adapters.ib.library import load_library


class _Deaf:
    """Hears only why a login is refused."""

    def __init__(self, end_login: Callable[[str], None]) -> None:
        self._end_login = end_login

    def order_seen(self, contract: Any, order: Any, state: Any, *, completed: bool) -> None: ...

    def status_seen(
        self, order_id: int, perm_id: int, client_id: int, status: str, filled: float, why: str
    ) -> None: ...

    def execution_seen(self, contract: Any, execution: Any) -> None: ...

    def commission_seen(self, report: Any) -> None: ...

    def error_seen(self, req_id: int, code: int, text: str) -> None:
        if req_id == -1 and code == 326:
            self._end_login(f"{text} Another stop is under way there")


async def cancel_everything(settings: IbSettings) -> tuple[str, ...]:
    """Cancel every working order of the login, whoever placed it, and return the accounts it has.

    It has a client id of its own, so it works while the process that trades hangs. The gateway has received the cancel
    when this returns; what became of the orders is for others to ask.

    Raises:
        BrokerUnavailable: the gateway could not be told; the message says why.
    """
    deaf = _Deaf(lambda why: connection.end_login(why))
    connection = Connection(await load_library(settings.library), settings, Role.STOPPER, deaf, on_lost=lambda _: None)
    await connection.open(lambda: None)
    try:
        await connection.post(connection.client.reqGlobalCancel)
        await connection.ask_time()  # answered after what was sent before it
        return connection.accounts
    finally:
        connection.close()
