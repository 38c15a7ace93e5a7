"""The budget of a gateway: IB counts the messages of all its clients, so all processes of this machine share one."""

import os
import tempfile
from pathlib import Path

from adapters.ib.ib_settings import IbSettings
from adapters.request_budget import RequestBudget
from trading.errors import InvalidValue


def gateway_budget(settings: IbSettings) -> RequestBudget:
    """Return the budget of messages to that gateway.

    Raises:
        InvalidValue: its folder belongs to another user.
    """
    folder = Path(tempfile.gettempdir()) / f"openbell-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise InvalidValue("folder", str(folder), "this user's own; whoever made it can hold up the desk: remove it")
    file = folder / f"ib-{settings.host}-{settings.port}.requests"
    return RequestBudget(file, limit=settings.messages_per_second, seconds=1.0)
