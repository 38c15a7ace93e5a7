"""The sessions of this process: one for each gateway and client id, all on one owner's loop."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import cache

import sqlalchemy as sa

from adapters.ib.ib_settings import IbSettings, Role
from adapters.ib.order_calls import OrderCalls
from adapters.ib.owner import OwnerLoop
from adapters.ib.records import Records
from adapters.ib.session import IbSession
from adapters.ib.session_states import SessionTransition
from adapters.request_budget import RequestBudget

_Key = tuple[str, int, int, str, str]


class Sessions:
    """Sessions by gateway, client id, library and ledger; made when they are first wanted.

    Tasks make a new broker each time they need one; it finds the session of the one before here.
    """

    def __init__(self) -> None:
        self.owner = OwnerLoop()
        self._open: dict[_Key, tuple[IbSession, OrderCalls]] = {}

    def get(
        self,
        settings: IbSettings,
        role: Role,
        engine: sa.Engine | None,
        *,
        now: Callable[[], datetime],
        budget: RequestBudget | None,
        on_transition: Callable[[SessionTransition], None] | None,
    ) -> tuple[IbSession, OrderCalls]:
        """Return the session and its order calls.

        Args:
            engine: the ledger's; None for a session of data only.
        """
        key = _key(settings, role, engine)
        if key not in self._open:
            session = IbSession(
                settings,
                role,
                Records(engine) if engine is not None else None,
                now=now,
                budget=budget,
                on_transition=on_transition,
            )
            self._open[key] = (session, OrderCalls(session))
        return self._open[key]

    async def close(self, settings: IbSettings, role: Role, engine: sa.Engine | None) -> None:
        """End one session; the next who wants it begins anew."""
        if (found := self._open.pop(_key(settings, role, engine), None)) is not None:
            await self.owner.run(found[0].close())

    async def close_all(self) -> None:
        """End all sessions and the owner's thread."""
        await self.owner.run(self.end())
        await asyncio.to_thread(self.owner.stop)

    async def end(self) -> None:
        """End all sessions; to be run on the owner's loop."""
        for session, _ in tuple(self._open.values()):
            await session.close()
        self._open.clear()


@cache
def process_sessions() -> Sessions:
    """Return the sessions of this process."""
    return Sessions()


def _key(settings: IbSettings, role: Role, engine: sa.Engine | None) -> _Key:
    ledger = engine.url.render_as_string(hide_password=True) if engine is not None else ""
    return settings.host, settings.port, settings.client_id_of(role), settings.library, ledger
