"""Child processes of a command: when one has ended."""

import subprocess
from pathlib import Path

from cli.children import KeptChild
from cli.prefect_server import PrefectServer, has_ended
from tests.half_ended import half_ended


def test_a_child_has_not_ended_while_one_of_its_threads_lives_which_may_hold_its_port(tmp_path: Path):
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        started.append(half_ended())
        return started[-1]

    kept = KeptChild(start)
    first = kept.look()
    server = PrefectServer(home=tmp_path, port=1, pid=first.pid, child=kept)

    assert not kept.has_ended
    assert not has_ended(server)
    assert kept.look() is first
    first.communicate(timeout=10)
    assert has_ended(server)
    assert kept.look() is started[1]
    kept.stop()
    started[1].communicate()
    assert kept.has_ended
