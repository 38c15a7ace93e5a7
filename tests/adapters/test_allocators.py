"""Memory that was freed goes back to the system."""

import platform

import numpy as np
import psutil
import pytest

from adapters.allocators import give_back_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is asked")
def test_what_was_freed_between_pieces_that_are_held_is_given_back():
    blocks = [np.ones(8_000) for _ in range(3_000)]  # 64 kB each, which glibc takes from its heap: 192 MB
    held = blocks[::100]
    blocks.clear()
    before = psutil.Process().memory_info().rss

    give_back_memory()

    assert before - psutil.Process().memory_info().rss > 100_000_000
    assert all(block.sum() == 8_000 for block in held)
