"""The wire: frames of NUL-ended text fields, and how numbers and absences are spelt in them.

Source: the encoders and decoders of the public clients, protocol versions 157 to 178.
"""

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from typing import Final, TypeVar

OLDEST_VERSION: Final = 157
NEWEST_VERSION: Final = 178
MAX_FRAME_BYTES: Final = 16 * 1024 * 1024
UNSET_DOUBLE: Final = "1.7976931348623157E308"
UNSET_INTEGER: Final = "2147483647"
UNSET: Final = frozenset({"", UNSET_DOUBLE, "1.7976931348623157e+308", UNSET_INTEGER})

Field = str | int | float | Decimal | bool | None
_Number = TypeVar("_Number", int, float)


class WireError(Exception):
    """What a client sent is not the TWS protocol; its socket is closed."""


class Reader:
    """The fields of one message, taken from front to back."""

    def __init__(self, fields: Iterable[str], server_version: int = NEWEST_VERSION) -> None:
        self._fields = list(fields)
        self._at = 0
        self.server_version = server_version

    def __len__(self) -> int:
        return len(self._fields) - self._at

    def text(self) -> str:
        """Take the next field as it is.

        Raises:
            WireError: nothing is left.
        """
        if self._at >= len(self._fields):
            shown = ",".join(self._fields[:8])
            raise WireError(f"message [{shown}...] ends after {len(self._fields)} fields, and more were expected")
        self._at += 1
        return self._fields[self._at - 1]

    def texts(self, count: int) -> list[str]:
        """Take the next `count` fields."""
        return [self.text() for _ in range(count)]

    def integer(self, absent: int = 0) -> int:
        """Take a whole number; an unset one is `absent`."""
        value = self.text()
        return absent if value in UNSET else _parsed(value, int)

    def real(self, absent: float = 0.0) -> float:
        """Take a real number; an unset one is `absent`, `Infinite` is infinity."""
        value = self.text()
        if value == "Infinite":
            return float("inf")
        return absent if value in UNSET else _parsed(value, float)

    def boolean(self) -> bool:
        """Take `1`, `0` or nothing."""
        return self.text() not in {"", "0", "false", "False"}

    def rest(self) -> list[str]:
        """Take all that is left."""
        left, self._at = self._fields[self._at :], len(self._fields)
        return left


def _parsed(value: str, kind: type[_Number]) -> _Number:
    try:
        return kind(value)
    except ValueError as exc:
        raise WireError(f"field {value!r} is not a number of kind {kind.__name__}") from exc


def spelt(value: Field) -> str:
    """Write one value as a field: `1`/`0`, `100.0`, `Infinite`, empty for None."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal | float):
        number = float(value)
        return "Infinite" if number == float("inf") else str(number)
    return str(value)


def decimal(value: str) -> Decimal | None:
    """Read an optional number that prices and quantities are made of."""
    if value in UNSET:
        return None
    try:
        return Decimal(value)
    except ArithmeticError as exc:
        raise WireError(f"field {value!r} is not a number") from exc


def frame(fields: Iterable[Field]) -> bytes:
    """Pack fields into one message with its length before it."""
    payload = "".join(f"{spelt(value)}\0" for value in fields).encode()
    return len(payload).to_bytes(4, "big") + payload


async def read_frame(stream: asyncio.StreamReader) -> bytes:
    """Wait for one frame and return what is in it.

    Raises:
        WireError: the announced length cannot be a message of a client; nothing of it is read.
        asyncio.IncompleteReadError: the socket was closed.
    """
    size = int.from_bytes(await stream.readexactly(4), "big")
    if size > MAX_FRAME_BYTES:
        raise WireError(f"a frame of {size} bytes was announced, and no message is longer than {MAX_FRAME_BYTES}")
    return await stream.readexactly(size)


def fields_of(payload: bytes) -> list[str]:
    """Split a message into its fields.

    Raises:
        WireError: it does not end with NUL, or is not text.
    """
    try:
        text = payload.decode()
    except UnicodeDecodeError as exc:
        raise WireError(f"a message of {len(payload)} bytes is not UTF-8 text") from exc
    if not text.endswith("\0"):
        raise WireError(f"a message of {len(payload)} bytes does not end with NUL")
    return text[:-1].split("\0")


async def read_hello(stream: asyncio.StreamReader) -> int:
    """Read the client's first words and return the newest protocol version it offers.

    Raises:
        WireError: it is no API client, or one that is too old.
    """
    greeting = await stream.readexactly(4)
    if greeting != b"API\0":
        raise WireError(f"the first bytes were {greeting!r}, and an API client says b'API\\x00'")
    size = int.from_bytes(await stream.readexactly(4), "big")
    if size > 1024:
        raise WireError(f"a greeting of {size} bytes was announced, and one is shorter than 1024")
    words = (await stream.readexactly(size)).decode(errors="replace").split(" ", 1)[0]
    newest = words.removeprefix("v").partition("..")[2] or words.removeprefix("v")
    if not newest.isdigit():
        raise WireError(f"the versions offered are {words!r}, and v{OLDEST_VERSION}..{NEWEST_VERSION} was expected")
    if int(newest) < OLDEST_VERSION:
        raise WireError(f"the client offers {words!r}, and versions before {OLDEST_VERSION} are not spoken")
    return int(newest)
