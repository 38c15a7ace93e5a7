"""A storm of alerts into the outbox and out of it while one channel fails, beside bare inserts and bare posts."""

import asyncio
import json
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from benchmarks.measurement import Measurement, Run, seconds
from trading.alerts import Alert, Severity

_PER_MESSAGE = 20
_TOLD = re.compile(r"^([A-Z]+): .* \(alert (\d+)[;)]", re.MULTILINE)


def storm(run: Run) -> Iterator[Measurement]:
    """Raise 10,000 alerts, singly and at once; deliver them to a channel that works and one that fails."""
    from prefect.types import SecretDict

    from adapters.sql.schema import migrate
    from blocks.alert_channels import AlertChannels, ChannelRules
    from blocks.desk import Ledger
    from blocks.desk_storage import DeskStorage
    from tasks.deliver import deliver_due

    count = 100 if run.quick else 10_000
    alerts = _alerts(count, run.seed)
    single, batch = alerts[: count // 10], alerts[count // 10 :]
    bodies = list[bytes]()
    with _receiver(bodies) as port:
        urls = {"good": f"json://127.0.0.1:{port}/good", "failing": f"json://127.0.0.1:{port}/fail"}
        rules = [ChannelRules(name=name, per_minute=1_000_000, alerts_per_message=_PER_MESSAGE) for name in urls]
        storage = DeskStorage(home=run.folder, alerts=AlertChannels(named_urls=SecretDict(urls), rules=rules))
        migrate(storage.engine())
        ledger = Ledger.of(storage)
        one_by_one = len(single) / seconds(lambda: [ledger.outbox.raise_alert(a) for a in single])
        at_once = len(batch) / seconds(lambda: ledger.outbox.raise_alerts(batch))
        out = count / seconds(lambda: asyncio.run(deliver_due(storage, ledger)))
        _require_each_once(bodies, count)
        posts = count / seconds(lambda: _post(port, alerts))
    left = ledger.outbox.due()
    if left:
        raise RuntimeError(f"{len(left)} alerts reached no channel")
    inserts = len(single) / seconds(lambda: _insert(run.folder / "bare.db", single))
    yield Measurement(
        name="alerts.raise",
        value=one_by_one,
        unit="alerts/s",
        baseline=inserts,
        note=f"{len(single):,} alerts, each durable when `raise_alert` returns; baseline: bare INSERTs with sqlite3, a "
        "commit each, `synchronous=FULL`",
    )
    yield Measurement(
        name="alerts.raise_at_once",
        value=at_once,
        unit="alerts/s",
        baseline=inserts,
        note=f"{len(batch):,} alerts by one `raise_alerts`; baseline: bare INSERTs with a commit each",
    )
    yield Measurement(
        name="alerts.deliver",
        value=out,
        unit="alerts/s",
        baseline=posts,
        note=f"{count:,} alerts, {_PER_MESSAGE} in a message, planned, sent by HTTP to a channel that takes them while "
        "another refuses everything, each message recorded before and after; baseline: the same texts by bare httpx "
        "posts, nothing recorded",
    )


def _require_each_once(bodies: list[bytes], count: int) -> None:
    """Refuse to measure a storm in which an alert was lost or doubled, or a graver one came later."""
    told = [(int(n), word) for body in bodies for word, n in _TOLD.findall(json.loads(body)["message"])]
    if sorted(n for n, _ in told) != list(range(1, count + 1)):
        raise RuntimeError(f"{count} alerts were raised, and {len(told)} told, {len(set(told))} of them different")
    gravity = [Severity(word.lower()).gravity for _, word in told]
    if gravity != sorted(gravity, reverse=True):
        raise RuntimeError("an alert was told before a graver one")


def _alerts(count: int, seed: int) -> list[Alert]:
    severities, at = tuple(Severity), datetime(2024, 3, 15, 14, tzinfo=UTC)
    return [
        Alert(
            fingerprint=f"{seed} {n}",
            severity=severities[n % len(severities)],
            title=f"Order t-{n} is late",
            text="It was sent and no answer came; look for it at the broker.",
            raised_at=at,
        )
        for n in range(count)
    ]


def _insert(path: Path, alerts: list[Alert]) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=full")
    connection.execute(
        "CREATE TABLE alert (id INTEGER PRIMARY KEY, fingerprint TEXT, severity TEXT, title TEXT, text TEXT)"
    )
    for a in alerts:
        values = (a.fingerprint, a.severity.value, a.title, a.text)
        connection.execute("INSERT INTO alert (fingerprint, severity, title, text) VALUES (?, ?, ?, ?)", values)
    connection.close()


def _post(port: int, alerts: list[Alert]) -> None:
    with httpx.Client(trust_env=False) as client:
        for start in range(0, len(alerts), _PER_MESSAGE):
            text = "\n\n".join(f"{a.title}\n{a.text}" for a in alerts[start : start + _PER_MESSAGE])
            client.post(f"http://127.0.0.1:{port}/good", json={"message": text}).raise_for_status()


@contextmanager
def _receiver(bodies: list[bytes]) -> Iterator[int]:
    """Serve a channel that takes messages, whose bodies are kept, and one that refuses them."""

    class Receiver(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/good":
                bodies.append(body)
            self.send_response(500 if self.path == "/fail" else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
