"""A desk at a gateway on loopback, new for every test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.adapters.ib.ib_desk import Desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with Desk(tmp_path) as desk:
        yield desk
