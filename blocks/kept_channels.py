"""Kept channels: where alerts go, as a private file, since telling a person must not need Prefect.

The file holds the addresses with their secrets, readable by its owner only. Prefect keeps the same secrets encrypted in
its database, with the key in a file of the same owner in the same folder.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from adapters.private_file import write_private
from trading.errors import InvalidValue

if TYPE_CHECKING:  # the watchdog looks whether there are any, and has no use for Prefect
    from blocks.alert_channels import AlertChannels


def channels_path(home: Path) -> Path:
    """Return the file of the channels of that desk."""
    return home / "alert_channels.json"


def keep_channels(home: Path, channels: "AlertChannels | None") -> None:
    """Write the channels, if they are not those that were written last; without any the file goes."""
    path = channels_path(home)
    if channels is None:
        path.unlink(missing_ok=True)
        return
    content = channels.model_dump_json(indent=1, context={"include_secrets": True}).encode()
    if not path.exists() or path.read_bytes() != content:
        write_private(path, content)


def kept_channels(home: Path) -> "AlertChannels | None":
    """Return the channels that were kept last; None without any.

    Raises:
        InvalidValue: the file is not what was written.
    """
    from blocks.alert_channels import AlertChannels

    try:
        content = channels_path(home).read_bytes()
    except FileNotFoundError:
        return None
    try:
        return AlertChannels.model_validate_json(content)
    except ValidationError:  # its text would show addresses
        rule = "as it was written; `openbell init` mends it"
        raise InvalidValue("kept alert channels", str(channels_path(home)), rule) from None
