"""Files that only their owner may read, each put in its place as a whole."""

import os
import tempfile
from pathlib import Path


def write_private(path: Path, content: bytes) -> None:
    """Write the file durably, so that nobody ever sees it by half; its folder is made when it is missing."""
    path.parent.mkdir(exist_ok=True, mode=0o700)
    descriptor, draft = tempfile.mkstemp(dir=path.parent)  # mode 0600
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        os.fsync(file.fileno())
    Path(draft).replace(path)
