"""Child processes of a command: when one has ended."""

import subprocess
import sys
import time

import psutil

from cli.children import KeptChild

# The main thread ends by itself, so the process shows as a zombie, while another one still lives.
HALF_DEAD = "import ctypes, sys, threading; threading.Thread(target=sys.stdin.read).start(); "
HALF_DEAD += "ctypes.CDLL(None).pthread_exit(None)"


def test_a_child_has_not_ended_while_one_of_its_threads_lives_which_may_hold_its_port():
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-c", HALF_DEAD], stdin=subprocess.PIPE))
        return started[-1]

    kept = KeptChild(start)
    first = kept.look()
    while psutil.Process(first.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)

    assert not kept.has_ended
    assert kept.look() is first
    first.communicate(timeout=10)
    assert kept.has_ended
    assert kept.look() is started[1]
    kept.stop()
    started[1].communicate()
    assert kept.has_ended
