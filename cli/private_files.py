"""Files that only their owner can read."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_text(text)


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """Return the secret in a file, made at the first call; of two first calls at once, one wins and both return it."""
    if not path.exists():
        descriptor, draft = tempfile.mkstemp(dir=path.parent)  # mode 0600
        with os.fdopen(descriptor, "w") as file:
            file.write(make())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # the other call was first: its secret counts
        finally:
            Path(draft).unlink()
    return path.read_text()
