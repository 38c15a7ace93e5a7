"""Receivers of alerts on real sockets: a mail server, a server that never answers, and what a message told."""

import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from queue import SimpleQueue

NUMBER = re.compile(r"\(alert (\d+)[;)]")


def told(body: str) -> list[int]:
    """Return the numbers of the alerts that a message tells, in their order."""
    return [int(number) for number in NUMBER.findall(body)]


@contextmanager
def mail_server() -> Iterator[tuple[SimpleQueue[str], int]]:
    """Serve on a free port as much of SMTP as a client needs; yields the texts of its mails, and the port.

    Source: RFC 5321.
    """
    mails = SimpleQueue[str]()

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 localhost ready\r\n")
            while (verb := self.rfile.readline()[:4].upper()) not in (b"", b"QUIT"):
                if verb == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    mails.put(_plain_text(b"".join(iter(self.rfile.readline, b".\r\n"))))
                self.wfile.write(b"250 localhost\r\n")
            self.wfile.write(b"221 bye\r\n")

    with _serving(Session) as port:
        yield mails, port


@contextmanager
def silent_server() -> Iterator[int]:
    """Take connections on a free port, and never answer."""
    is_over = threading.Event()

    class Session(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            is_over.wait()

    with _serving(Session) as port:
        try:
            yield port
        finally:
            is_over.set()


@contextmanager
def _serving(session: type[socketserver.BaseRequestHandler]) -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), session) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _plain_text(mail: bytes) -> str:
    parts = [part for part in message_from_bytes(mail).walk() if part.get_content_type() == "text/plain"]
    return "\n".join(bytes(part.get_payload(decode=True)).decode() for part in parts)
