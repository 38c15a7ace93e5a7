"""The files of a watch: its status for a screen and the watchdog, and the checkpoint from which it goes on."""

import io
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from adapters.private_file import write_private
from trading.errors import StoreUnavailable

LOGGER = logging.getLogger(__name__)
FOLDER = "watch"
_ARRAY, _STANDING = "array.", "standing"
_DIGEST_BYTES = 32
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS

Arrays = Mapping[str, npt.NDArray[Any]]


class WatchFiles:
    """The files of the watch of one account.

    Args:
        home: folder of the desk.
    """

    def __init__(self, home: Path, account: str) -> None:
        self.account = account
        self.status_path = home / FOLDER / f"{account}.json"
        self.checkpoint_path = home / FOLDER / f"{account}.npz"

    def write_status(self, status: Mapping[str, Any]) -> None:
        """Replace the status; a number that is not known may be NaN and is null in the file.

        Raises:
            StoreUnavailable: it could not be written; the one before stays.
        """
        _replace(self.status_path, orjson.dumps(status, option=_OPTIONS), durable=False)

    def read_status(self) -> dict[str, Any] | None:
        """Return the last status; None when there is none that can be read."""
        try:
            status = json.loads(self.status_path.read_bytes())
        except (OSError, ValueError):
            return None
        return status if isinstance(status, dict) else None

    def heard_at(self) -> datetime | None:
        """Return when the status was written last, UTC; None when it never was.

        A watch that catches up tells of seconds long gone, and lives.
        """
        try:
            return datetime.fromtimestamp(self.status_path.stat().st_mtime, UTC)
        except FileNotFoundError:
            return None

    def write_checkpoint(self, arrays: Arrays, standing: object) -> None:
        """Replace the checkpoint durably.

        Args:
            standing: how the rules stand; anything that JSON can hold.

        Raises:
            StoreUnavailable: it could not be written; the one before stays.
        """
        told = np.frombuffer(json.dumps(standing).encode(), dtype=np.uint8)
        file = io.BytesIO()
        named: dict[str, Any] = {_STANDING: told, **{_ARRAY + name: array for name, array in arrays.items()}}
        np.savez(file, allow_pickle=False, **named)
        content = file.getvalue()
        _replace(self.checkpoint_path, content + sha256(content).digest())  # a reader of npz looks past the digest

    def read_checkpoint(self) -> tuple[dict[str, npt.NDArray[Any]], Any] | None:
        """Return arrays and standing of the last checkpoint; None without one, or when it is damaged.

        A damaged one is logged and set aside: the watch can begin without it.
        """
        try:
            found = self.checkpoint_path.read_bytes()
        except FileNotFoundError:
            return None
        content, digest = found[:-_DIGEST_BYTES], found[-_DIGEST_BYTES:]
        if sha256(content).digest() != digest:
            aside = self.checkpoint_path.with_name(f"{self.checkpoint_path.name}.damaged")
            self.checkpoint_path.replace(aside)
            LOGGER.warning("The checkpoint of the watch of %s is damaged, and put aside as %s", self.account, aside)
            return None
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name.removeprefix(_ARRAY): file[name] for name in file.files if name.startswith(_ARRAY)}
            return arrays, json.loads(file[_STANDING].tobytes())


def watch_files(home: Path) -> tuple[WatchFiles, ...]:
    """Return the files of every account that is or was watched."""
    return tuple(WatchFiles(home, path.stem) for path in sorted((home / FOLDER).glob("*.json")))


def _replace(path: Path, content: bytes, *, durable: bool = True) -> None:
    try:
        write_private(path, content, durable=durable)
    except OSError as exc:
        raise StoreUnavailable(str(path), str(exc)) from exc
