"""What goes wrong: which fault, on which port, after how many lines and how often."""

from dataclasses import dataclass
from enum import StrEnum


class Port(StrEnum):
    """One of the four ports."""

    LEVEL1 = "level1"
    LEVEL2 = "level2"
    LOOKUP = "lookup"
    ADMIN = "admin"


class Fault(StrEnum):
    """One thing that goes wrong.

    The first five befall a line that is sent, the others an answer.
    """

    DROP_MID_LINE = "drop_mid_line"  # half of the line, then the socket is reset
    HALF_LINES = "half_lines"  # the line comes in two pieces
    GARBAGE = "garbage"  # bytes that are no message come before the line
    LONG_LINE = "long_line"  # a line of a million bytes comes before it
    SLOW = "slow"  # the line comes late
    SILENT = "silent"  # a command is not answered
    WRONG_ORDER = "wrong_order"  # the rows of a history come newest first
    WRONG_ID = "wrong_id"  # the rows of a history carry another request id
    NO_END = "no_end"  # a history has no `!ENDMSG!`
    ERROR = "error"  # a lookup is answered by an error
    OWN_FIELDS = "own_fields"  # the choice of update fields is not taken


@dataclass(slots=True, kw_only=True)
class Armed:
    """A fault that waits.

    Attributes:
        after: lines or answers that pass before it strikes.
        times: how often it strikes; None for ever.
    """

    fault: Fault
    port: Port
    after: int
    times: int | None


class Faults:
    """The faults that wait."""

    def __init__(self) -> None:
        self._armed: list[Armed] = []

    def __bool__(self) -> bool:
        return bool(self._armed)

    def arm(self, fault: Fault, port: Port, *, after: int = 0, times: int | None = 1) -> None:
        """Have something go wrong."""
        self._armed.append(Armed(fault=fault, port=port, after=after, times=times))

    def disarm(self) -> None:
        """Have nothing go wrong any more."""
        self._armed.clear()

    def strikes(self, fault: Fault, port: Port) -> bool:
        """Tell whether it goes wrong now, and count it."""
        for armed in self._armed:
            if (armed.fault, armed.port) != (fault, port):
                continue
            if armed.after:
                armed.after -= 1
                continue
            if armed.times is not None:
                armed.times -= 1
                if not armed.times:
                    self._armed.remove(armed)
            return True
        return False


def parse_fault(text: str) -> Armed:
    """Read `FAULT:PORT[:AFTER]`, such as `drop_mid_line:level1:100`.

    Raises:
        ValueError: it is none.
    """
    fault, port, *after = text.split(":")
    return Armed(fault=Fault(fault), port=Port(port), after=int(after[0]) if after else 0, times=1)
