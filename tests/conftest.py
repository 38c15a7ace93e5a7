"""What every test may ask for. Nothing here costs a test that does not ask."""

import functools
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Register our marker, and keep the developer's own Prefect profile (and server) out of all tests."""
    config.addinivalue_line("markers", "slow: starts Prefect's own processes; `-m 'not slow'` leaves it out")
    for leak in (r"unclosed <socket.socket .*'127\.0\.0\.1'", "unclosed transport <_SelectorSocketTransport"):
        config.addinivalue_line("filterwarnings", f"ignore:{leak}:ResourceWarning")  # Prefect's clients drop theirs
    scratch = tempfile.mkdtemp(prefix="openbell-tests-")
    config.add_cleanup(lambda: shutil.rmtree(scratch, ignore_errors=True))
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        del os.environ[name]
    os.environ.update(
        {
            "PREFECT_HOME": scratch,
            "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",  # a flow without `prefect_harness` fails at once, and says so
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_LOGGING_TO_API_ENABLED": "false",
            "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",  # a block registers itself when it is saved
            "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
            # As `openbell up` tunes its server: concurrent writers of SQLite meet HTTP 503, and wait 2 s each time.
            "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
            "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
            "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }
    )


@pytest.fixture(scope="session")
def prefect_harness(
    monkeypatch_session: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Serve a private Prefect API for this session's flows, tasks and blocks; about 4 s once, less than 0.2 s a flow.

    The migrated database is kept in the machine's folder for temporary files, since migrations take half of the start.
    Heartbeats are off, since each sync flow waits a second for its heartbeat thread to end. The JSON schema of a class
    of blocks is worked out once: a block that is saved asks for it dozens of times, which took half of a test's time.
    """
    import prefect
    from prefect.blocks.core import Block
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    template = Path(tempfile.gettempdir()) / f"openbell-prefect-{prefect.__version__}-{os.getuid()}.db"
    folder = tmp_path_factory.mktemp("prefect")
    database = folder / "prefect-test.db"
    if known := template.exists():
        shutil.copy(template, database)
    monkeypatch_session.setattr("prefect.testing.utilities.mkdtemp", lambda: str(folder))
    schema_of = functools.cache(Block.model_json_schema.__func__)
    monkeypatch_session.setattr(Block, "model_json_schema", classmethod(schema_of))
    with prefect_test_harness(server_startup_timeout=60), temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        if not known:
            _keep(database, template)
        yield


@pytest.fixture(scope="session")
def monkeypatch_session() -> Iterator[pytest.MonkeyPatch]:
    """Patch for as long as the session lasts."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def _keep(database: Path, template: Path) -> None:
    draft = template.with_suffix(f".{os.getpid()}")
    source, target = sqlite3.connect(database), sqlite3.connect(draft)
    source.backup(target)
    source.close()
    target.close()
    draft.replace(template)  # whole or not at all: sessions may run side by side
