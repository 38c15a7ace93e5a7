"""Memory that was freed, and that the allocators keep."""

import ctypes

import pyarrow as pa


def give_back_memory() -> None:
    """Have Arrow, and glibc where it is the C library, give to the system what was freed.

    Each hour of ticks that is read or stored leaves its tables behind in pieces which a later hour does not fit into;
    without this a process that runs for a day takes more and more, though nothing is held.
    """
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
