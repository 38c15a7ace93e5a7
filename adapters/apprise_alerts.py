"""Alerts through Apprise."""

import asyncio
import contextlib
import logging
import re
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar
from urllib.parse import unquote

from trading.alert_messages import AlertMessage
from trading.alerts import Severity
from trading.errors import AlertNotDelivered

T = TypeVar("T")
_NOTIFY_TYPE = {
    None: "success",
    Severity.INFO: "info",
    Severity.WARNING: "warning",
    Severity.CRITICAL: "failure",
    Severity.EMERGENCY: "failure",
}
_SHORTEST_SECRET = 3  # shorter parts of an address are parts of many words
_LONGEST_REASON = 200
_MOST_HANGING = 32  # messages that a channel never answers each leave a thread behind


class AppriseChannel:
    """One channel that Apprise knows.

    Args:
        name: what messages and receipts call it.
        url: Apprise address. It holds secrets: nothing of it is in a message.
    """

    def __init__(self, name: str, url: str) -> None:
        self._name, self._url = name, url
        self._sending = list[threading.Thread]()

    @property
    def name(self) -> str:
        """Return what receipts are kept under."""
        return self._name

    async def send(self, message: AlertMessage) -> None:
        """Send the message.

        Raises:
            AlertNotDelivered: it was not confirmed; Apprise does not tell whether it may have been taken all the same.
        """
        self._sending = [thread for thread in self._sending if thread.is_alive()]
        if len(self._sending) >= _MOST_HANGING:
            raise AlertNotDelivered(f"{self._name} has still to answer {len(self._sending)} messages")
        thread, answer = _in_own_thread(lambda: self._refusal(message))
        self._sending.append(thread)
        refusal = await answer
        if refusal is not None:
            raise AlertNotDelivered(refusal)

    def _refusal(self, message: AlertMessage) -> str | None:
        from apprise import Apprise  # 0.1 s, for those who send
        from apprise.common import OverflowMode

        apprise, kind = Apprise(), _NOTIFY_TYPE[message.severity]
        with _apprise_says() as said:
            if not apprise.add(self._url):
                return f"{self._name} is no address that Apprise can read"
            for server in apprise:  # what is too long for it would be refused for ever; it goes in parts
                if server.overflow_mode is OverflowMode.UPSTREAM:
                    server.overflow_mode = OverflowMode.SPLIT
            if apprise.notify(title=message.title, body=message.body, notify_type=kind):
                return None
        return f"{self._name} refused the message" + (f": {_without(self._url, said[0])}" if said else "")


def _in_own_thread(work: Callable[[], T]) -> tuple[threading.Thread, asyncio.Future[T]]:
    """Do the work in a thread that nothing waits for; return it, and what will come of it.

    In a pool of threads a few channels that hang would delay all, and a process that ends would wait for them.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if answer.done():  # nobody waits any more
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)  # type: ignore[arg-type]  # a T where there is no error

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as exc:  # noqa: BLE001 - handed on to whoever waits
            error = exc
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    thread = threading.Thread(target=run, daemon=True, name="alert")
    thread.start()
    return thread, answer


class _Listener(logging.Filter):
    """Keeps what Apprise says in the thread that made it, and out of every log: it says whole addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.said, self._thread = list[str](), threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep what this thread says of a failure; let pass what others say."""
        if record.thread != self._thread:
            return True
        if record.levelno >= logging.WARNING:
            self.said.append(record.getMessage())
        return False


@contextlib.contextmanager
def _apprise_says() -> Iterator[list[str]]:
    listener, logger = _Listener(), logging.getLogger("apprise")
    logger.addFilter(listener)
    try:
        yield listener.said
    finally:
        logger.removeFilter(listener)


def _without(url: str, text: str) -> str:
    """Return the text with every part of the address taken out, on one line."""
    rest = url.partition("://")[2]
    parts = {part for piece in re.split(r"[/:@?&=,+#]+", rest) for part in (piece, unquote(piece))}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= _SHORTEST_SECRET:
            text = text.replace(part, "***")
    return " ".join(text.split())[:_LONGEST_REASON]
