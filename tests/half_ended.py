"""A process whose main thread has ended while another one lives: it shows as a zombie, and holds what it held."""

import subprocess
import sys
import time

import psutil

_SCRIPT = "import ctypes, sys, threading; threading.Thread(target=sys.stdin.read).start(); "
_SCRIPT += "ctypes.CDLL(None).pthread_exit(None)"


def half_ended() -> "subprocess.Popen[bytes]":
    """Return one; it ends when its input is closed."""
    process = subprocess.Popen([sys.executable, "-c", _SCRIPT], stdin=subprocess.PIPE)
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    return process
