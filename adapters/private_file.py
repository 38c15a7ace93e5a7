"""Files that only their owner may read, each put in its place as a whole."""

import os
import tempfile
from pathlib import Path


def write_private(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write the file so that nobody ever sees it by half; its folder is made when it is missing.

    Args:
        durable: wait until the disk has it. What is written anew every second is not worth the wait.
    """
    path.parent.mkdir(exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(dir=path.parent)  # mode 0600
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            if durable:
                os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)  # on a full disk, what is written every second would leave a draft every second
        raise
