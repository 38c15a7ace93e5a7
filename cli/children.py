"""Start and stop child processes so that none outlives the command that started it."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

_KEPT = ("PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_LOGGING_LEVEL")
_GRACE_SECONDS = 20.0
_PR_SET_PDEATHSIG = 1
_CLOCK_STEP_SECONDS = 2.0  # Linux reckons start times from the boot's, which follows the clock


def start_child(arguments: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start `python -m ARGUMENTS` in a session of its own, so that Ctrl-C reaches only us and we stop it in order.

    Its output goes to `log`, its files are readable by their owner only. On Linux the kernel sends it SIGTERM when we
    die without a word (SIGKILL); elsewhere it would live on, and the next start of the desk ends it.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    parent = os.getpid()

    def become_child() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background job hands down an ignored SIGINT
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)

    log.touch(mode=0o600)
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env=clean_environment() | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o077,
            preexec_fn=become_child,
        )


def stop_child(child: subprocess.Popen[bytes], *, grace_seconds: float = _GRACE_SECONDS) -> int:
    """Ask a child to end, kill it when it does not, and return its exit code."""
    child.terminate()
    try:
        return child.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


@dataclass(slots=True)
class KeptChild:
    """A child process that is started again when it ends by itself.

    Attributes:
        pause_seconds: least time between two starts, for a child that ends at once each time.
    """

    start: Callable[[], "subprocess.Popen[bytes]"]
    pause_seconds: float = 0.0
    child: "subprocess.Popen[bytes] | None" = None
    started_at: float = -float("inf")

    @property
    def has_ended(self) -> bool:
        """Tell whether it is gone, all its threads with it: one that is left holds its files and its port."""
        return self.child is None or self.child.poll() is not None

    def look(self) -> "subprocess.Popen[bytes]":
        """Start it when it does not run, and return the one that was started last."""
        if self.child is None or (self.has_ended and time.monotonic() - self.started_at >= self.pause_seconds):
            self.child, self.started_at = self.start(), time.monotonic()
        return self.child

    def stop(self) -> None:
        """End it."""
        if self.child is not None:
            stop_child(self.child)
            self.child = None


def lives(pid: int, created: float) -> bool:
    """Tell whether that process is there, and not a later one that was given its number."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - created) < _CLOCK_STEP_SECONDS
    except psutil.NoSuchProcess:
        return False


def clean_environment() -> dict[str, str]:
    """Return this process's environment less the Prefect settings that would change whom the desk talks to."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_") or name in _KEPT}
