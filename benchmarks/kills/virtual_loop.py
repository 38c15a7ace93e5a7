"""An event loop whose time passes only while nothing else is to be done, so that ten seconds of patience cost nothing.

All of a run lives on one loop in one thread: the gateway, the owner of the sessions, the routine. What happens next
then depends on the seed alone, and a run can be repeated to the last message.
"""

import asyncio
import contextvars
import errno
import random
import selectors
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Any

_LONGEST_DISK_WAIT = 0.004  # seconds that work off the loop takes, so that messages can come in between
_LATENESS = 1e-6  # seconds; no timer of the real world comes to the very tick, and some code relies on it
_FIRST_PORT = 4002
_MOST_TURNS = 100_000  # of the loop at one moment of its time; some hundreds are usual


class NothingLeftToHappen(Exception):
    """The loop waits, and neither a timer nor a socket will ever wake it."""


class NoTimePasses(Exception):
    """Something is always to be done at once, and so no timer ever comes."""


class _Selector(selectors.DefaultSelector):
    """Never waits: when no socket is ready, time moves on to the next timer."""

    loop: "VirtualLoop"
    turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise NothingLeftToHappen
        self.turns += 1
        if self.turns > _MOST_TURNS:
            raise NoTimePasses
        if not ready and timeout:
            self.loop.now += timeout + _LATENESS
            self.turns = 0
        return ready


class _Listener:
    """What stands for a listening server: its port, and who serves."""

    def __init__(self, loop: "VirtualLoop", factory: Callable[[], asyncio.BaseProtocol], port: int) -> None:
        self._loop, self._factory, self._port = loop, factory, port
        self._context = contextvars.copy_context()  # who is served is no part of the process that connects

    @property
    def sockets(self) -> tuple["_Listener", ...]:
        return (self,)

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", self._port

    def close(self) -> None:
        self._loop.listeners.pop(self._port, None)

    def take(self, end: socket.socket) -> None:
        serving = self._loop.connect_accepted_socket(self._factory, end)
        self._context.run(self._loop.create_task, serving)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop in virtual time.

    Connections are pairs of Unix sockets, made when one is asked for: the kernel hands their bytes over at once, which
    TCP on a busy machine does not, and ten thousand runs use up no ports.

    Args:
        seed: of the time that work off the loop takes.

    Attributes:
        now: seconds since the loop was made.
        complaints: of what went wrong where nobody waited for it.
        on_connect: is given the transport of each connection that was asked for.
    """

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.listeners: dict[int, _Listener] = {}
        self.on_connect: Callable[[asyncio.Transport], None] = lambda _transport: None
        self.complaints: list[str] = []
        self._disk = random.Random(f"disk:{seed}")  # noqa: S311 - meant to be repeatable
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """Return the virtual time."""
        return self.now

    async def create_server(self, factory: Any, _host: Any = None, port: Any = None, **_options: Any) -> Any:
        """Let connections to that port be asked for; 0 takes a free one."""
        chosen = port or max(self.listeners, default=_FIRST_PORT - 1) + 1
        self.listeners[chosen] = listener = _Listener(self, factory, chosen)
        return listener

    async def create_connection(self, factory: Any, _host: Any = None, port: Any = None, **options: Any) -> Any:
        """Connect to who listens on that port."""
        if (listener := self.listeners.get(port)) is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
        listener.take(theirs)
        transport, protocol = await super().create_connection(factory, sock=ours, **options)
        self.on_connect(transport)
        return transport, protocol

    def run_in_executor(  # type: ignore[override]  # a future that is awaited just the same
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """Do the work on this loop a little later; no thread is started."""
        del executor
        done: asyncio.Future[Any] = self.create_future()
        self.call_later(self._disk.random() * _LONGEST_DISK_WAIT, _work, done, func, args)
        return done

    def call_exception_handler(self, context: Mapping[str, Any]) -> None:  # type: ignore[override]  # only read
        """Keep what nobody has waited for: it may be wrong all the same."""
        self.complaints.append(f"{context.get('message')}: {context.get('exception')!r}")


def _work(done: "asyncio.Future[Any]", func: Callable[..., Any], args: tuple[Any, ...]) -> None:
    if done.cancelled():
        return
    try:
        done.set_result(func(*args))
    except BaseException as exc:  # noqa: BLE001 - a kill too: whoever waits for the work is to meet it
        done.set_exception(exc)
        done.exception()  # nobody may wait any more
