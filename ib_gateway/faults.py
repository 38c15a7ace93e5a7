"""Brings a scenario's faults about: each message goes by here, and each fault draws from its own seed."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ib_gateway.scenarios import Action, Direction, Fault, Scenario

if TYPE_CHECKING:
    from ib_gateway.client import Client
    from ib_gateway.gateway import Gateway

log = logging.getLogger(__name__)
Deliver = Callable[[], None]


@dataclass(slots=True)
class _Armed:
    """A fault, with what it counts."""

    fault: Fault
    draws: random.Random
    seen: dict[int, int] = field(default_factory=dict)
    struck: int = 0

    def strikes(self, client_id: int, name: str, way: Direction) -> bool:
        """Count a message, and say whether the fault falls on it."""
        fault = self.fault
        if fault.way is not way or fault.on not in {name, "*"} or fault.client_id not in {None, client_id}:
            return False
        self.seen[client_id] = self.seen.get(client_id, 0) + 1
        falls = fault.probability is None or self.draws.random() < fault.probability
        if fault.nth is not None and self.seen[client_id] != fault.nth:
            return False
        if not falls or (fault.times is not None and self.struck >= fault.times):
            return False
        self.struck += 1
        return True


@dataclass(slots=True)
class _HeldBack:
    client: "Client"
    until: str | None
    deliver: Deliver


class Faults:
    """The faults of one gateway."""

    def __init__(self, gateway: "Gateway", scenario: Scenario) -> None:
        self._gateway = gateway
        self._armed = [
            _Armed(fault, random.Random(f"{scenario.seed}:{number}"))  # noqa: S311 # meant to be repeatable
            for number, fault in enumerate(scenario.faults)
        ]
        self._held_back: list[_HeldBack] = []
        self._timers: list[asyncio.TimerHandle] = []

    def add(self, fault: Fault) -> None:
        """Arm one more fault while the gateway runs."""
        self._armed.append(_Armed(fault, random.Random(f"added:{len(self._armed)}")))  # noqa: S311 # repeatable

    @property
    def struck(self) -> int:
        """How often a fault has fallen so far."""
        return sum(armed.struck for armed in self._armed)

    def tally(self) -> Counter[str]:
        """Return how often each kind of fault has fallen so far, such as `drop placeOrder`."""
        kinds = Counter[str]()
        for armed in self._armed:
            kinds[f"{armed.fault.do} {armed.fault.on}".strip()] += armed.struck
        return +kinds

    def start(self) -> None:
        """Set the clocks of the faults that wait for a time."""
        loop = asyncio.get_running_loop()
        for armed in self._armed:
            if armed.fault.at is not None:
                self._timers.append(loop.call_later(armed.fault.at, self._come_due, armed))

    def _come_due(self, armed: _Armed) -> None:
        armed.struck += 1
        self._befall(armed.fault, None)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Do something in a while, unless the gateway is stopped before."""
        self._timers.append(asyncio.get_running_loop().call_later(seconds, call))

    def stop(self) -> None:
        """Stop the clocks; what is still held back is lost with the sockets."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._held_back.clear()

    def incoming(self, client: "Client", name: str) -> Fault | None:
        """Return the fault that falls on a client's message, if one does."""
        for armed in self._armed:
            if armed.strikes(client.client_id, name, Direction.IN):
                log.info("fault on %s of client %s: %s", name, client.client_id, armed.fault.do)
                return armed.fault
        return None

    def outgoing(self, client: "Client", name: str, deliver: Deliver) -> None:
        """Send a message, or do to it what the scenario says."""
        for armed in self._armed:
            if armed.strikes(client.client_id, name, Direction.OUT):
                log.info("fault on %s to client %s: %s", name, client.client_id, armed.fault.do)
                self._do_outgoing(client, armed.fault, deliver)
                return
        deliver()
        self._release(client, name)

    def _release(self, client: "Client", name: str) -> None:
        for held in [held for held in self._held_back if held.client is client and held.until in {None, name}]:
            self._held_back.remove(held)
            held.deliver()

    def _do_outgoing(self, client: "Client", fault: Fault, deliver: Deliver) -> None:
        match fault.do:
            case Action.DROP | Action.HANG:
                return
            case Action.DELAY:
                self.later(fault.seconds, deliver)
            case Action.DOUBLE:
                deliver()
                deliver()
            case Action.REORDER:
                self._held_back.append(_HeldBack(client, fault.until, deliver))
            case Action.KILL_BEFORE:
                client.kill()
            case Action.KILL_AFTER:
                deliver()
                client.close()
            case _:
                deliver()
                self._befall(fault, client)

    def _befall(self, fault: Fault, client: "Client | None") -> None:
        asyncio.get_running_loop().call_soon(self._gateway.befall, fault, client)

    def befall(self, fault: Fault, client: "Client") -> None:
        """Bring about what is not done to the message itself."""
        self._befall(fault, client)
