"""What the tests of the IQFeed adapters share."""

from collections.abc import AsyncIterator, Iterator

import pytest
from iqfeed_desk import Clock, ThreadedServer, a_server, settings_of, threaded_server

from adapters.iqfeed.level1 import IqfeedQuotes
from iqfeed_server.server import IqfeedServer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server() -> AsyncIterator[IqfeedServer]:
    async with a_server() as running:
        yield running


@pytest.fixture
async def quotes(server: IqfeedServer, clock: Clock) -> AsyncIterator[IqfeedQuotes]:
    stream = IqfeedQuotes(settings=settings_of(server), now=clock)
    yield stream
    await stream.close()


@pytest.fixture
def lookups() -> Iterator[ThreadedServer]:
    with threaded_server() as running:
        yield running
