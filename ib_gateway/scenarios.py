"""Scenarios: what goes wrong, when, as data; the same seed and the same traffic bring the same faults.

A scenario file is JSON or TOML:

    seed = 7
    [[faults]]
    on = "openOrderEnd"
    do = "hang"
    [[faults]]
    on = "placeOrder"
    direction = "in"
    probability = 0.1
    do = "kill_after"
"""

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

from ib_gateway.names import ANSWERS, REQUESTS


class Direction(StrEnum):
    """Whose message a fault waits for."""

    IN = "in"
    OUT = "out"


class Action(StrEnum):
    """What a fault does when its message comes by, or its time has come."""

    DROP = "drop"
    DELAY = "delay"
    DOUBLE = "double"
    REORDER = "reorder"
    HANG = "hang"
    REJECT = "reject"
    KILL_BEFORE = "kill_before"
    KILL_AFTER = "kill_after"
    SAY = "say"
    RESTART = "restart"
    LOSE_LINK = "lose_link"
    RESTORE_LINK = "restore_link"
    GARBAGE = "garbage"
    HUGE_FRAME = "huge_frame"
    LIQUIDATE = "liquidate"
    MANUAL_ORDER = "manual_order"
    CLOSE_SESSION = "close_session"


class Fault(BaseModel):
    """One thing that goes wrong.

    Attributes:
        on: name of the message that brings it on (`placeOrder`, `execDetails`, `handshake`, ...), `*` for any;
            empty for one that waits for `at`.
        direction: the client's message or the gateway's; found from the name if it is not given.
        nth: only at the nth such message of a client, counted from 1 since the gateway started.
        probability: at each such message with this chance, drawn from the seed.
        at: seconds after the gateway started, for one that waits for no message.
        times: how often at most; without it for ever.
        client_id: only for this client.
        do: what happens.
        seconds: how long (`delay`; `lose_link` restores by itself after them; `restart` stays away so long).
        until: `reorder` holds the message back until one of this name went out to the same client; without it, any.
        code: error code of `reject` and `say`; `restore_link` says 1101 (data lost) or 1102.
        text: its text.
        symbol: what is liquidated or traded by hand.
        quantity: signed units of the order by hand.
        roll_back_ids: `restart` forgets which order ids were used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    on: str = ""
    direction: Direction | None = None
    nth: int | None = None
    probability: float | None = None
    at: float | None = None
    times: int | None = None
    client_id: int | None = None
    do: Action
    seconds: float = 0.0
    until: str | None = None
    code: int = 0
    text: str = ""
    symbol: str = ""
    quantity: float = 0.0
    roll_back_ids: bool = False

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if bool(self.on) == (self.at is not None):
            raise ValueError(f"fault {self.do!r} needs a message (`on`) or a time (`at`), and one of them only")
        known = {*REQUESTS.values(), *ANSWERS.values(), "*", ""}
        if self.on not in known:
            raise ValueError(f"fault on {self.on!r}: no message has this name; they are in ib_gateway/names.py")
        if self.on == "*" and self.direction is None:
            raise ValueError("a fault on any message (`*`) must say its direction, in or out")
        return self

    @property
    def way(self) -> Direction:
        """The direction, found from the name where it was not given."""
        if self.direction is not None:
            return self.direction
        return Direction.IN if self.on in set(REQUESTS.values()) else Direction.OUT


class Scenario(BaseModel):
    """All that goes wrong in one run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    faults: tuple[Fault, ...] = ()

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a scenario from a JSON or TOML file."""
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".toml":
            return cls.model_validate(tomllib.loads(text))
        return cls.model_validate_json(text)
