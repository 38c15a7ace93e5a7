"""Scenarios by name: the bad days that clients of this broker know."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ib_gateway.scenarios import Action, Fault, Scenario

PRESETS: Final[Mapping[str, tuple[Fault, ...]]] = MappingProxyType(
    {
        # the second factor that nobody answers: the socket opens, the session never starts
        "second-factor": (Fault(on="nextValidId", do=Action.HANG),),
        "silent": (Fault(on="handshake", do=Action.HANG),),
        "hung-open-orders": (Fault(on="openOrderEnd", do=Action.HANG),),
        "hung-executions": (Fault(on="execDetailsEnd", do=Action.HANG),),
        "commission-first": (Fault(on="execDetails", do=Action.REORDER, until="commissionReport"),),
        "doubled-executions": (Fault(on="execDetails", do=Action.DOUBLE),),
        "killed-before-the-order": (Fault(on="placeOrder", do=Action.KILL_BEFORE, nth=1),),
        "killed-after-the-order": (Fault(on="placeOrder", do=Action.KILL_AFTER, nth=1),),
        "killed-after-the-acknowledgement": (Fault(on="openOrder", do=Action.KILL_AFTER, nth=1),),
        "ids-rolled-back": (Fault(on="execDetails", do=Action.RESTART, nth=1, times=1, roll_back_ids=True),),
        # the nightly reset: the farms go, the link goes, and all is back in a moment
        "nightly-reset": (
            Fault(at=1.0, do=Action.SAY, code=2103, text="Market data farm connection is broken:usfarm"),
            Fault(at=1.0, do=Action.LOSE_LINK, seconds=2.0, code=1101),
            Fault(at=3.5, do=Action.SAY, code=2104, text="Market data farm connection is OK:usfarm"),
        ),
        "competing-session": (
            Fault(at=1.0, do=Action.SAY, code=10197, text="No market data during competing live session"),
            Fault(at=1.5, do=Action.CLOSE_SESSION),
        ),
    }
)


class UnknownPreset(LookupError):
    """A scenario is asked for by a name that none has."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"no scenario is called {name!r}; there are {', '.join(sorted(PRESETS))}")


def preset(name: str, seed: int = 0) -> Scenario:
    """Return a scenario by name.

    Raises:
        UnknownPreset: there is none.
    """
    if name not in PRESETS:
        raise UnknownPreset(name)
    return Scenario(seed=seed, faults=PRESETS[name])
