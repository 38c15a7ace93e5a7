"""The process from which all children of the tests are forked."""

import multiprocessing
from multiprocessing.context import ForkServerContext


def fork_server() -> ForkServerContext:
    """Return the context to start children in.

    A session has one fork server: the first that asks starts it, and all later children come from what it imported.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.warm"])
    return context
