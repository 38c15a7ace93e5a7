"""The pulse of a session: it beats with everything that is heard, so that waiting is waiting for the next beat."""

import asyncio
from collections.abc import Callable


class Pulse:
    """One session's; it belongs to the owner's loop."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    async def until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Wait until something heard makes it so; False when the time is over first."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not done():
            beat = loop.create_future()
            self._waiting.append(beat)
            left = deadline - loop.time()
            if left <= 0 or not (await asyncio.wait({beat}, timeout=left))[0]:
                return done()
        return True

    def beat(self) -> None:
        """Have all who wait look again."""
        waiting, self._waiting = self._waiting, []
        for beat in waiting:
            if not beat.done():
                beat.set_result(None)
