"""Start and stop child processes so that none outlives the command that started it."""

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

_KEPT = ("PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_LOGGING_LEVEL")
_GRACE_SECONDS = 20.0
_PR_SET_PDEATHSIG = 1


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


def clean_environment() -> dict[str, str]:
    """Return this process's environment less the Prefect settings that would change whom the desk talks to."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_") or name in _KEPT}
