"""Arm: what must be there before a person may let an account trade real money."""

from datetime import datetime
from pathlib import Path

from adapters.ib.guard import is_paper_account
from adapters.prefect_server import require_protected
from adapters.readiness_files import read_reports
from cli.prefect_server import login, login_path, server_in_use
from trading.errors import NotProtected
from trading.readiness import require_proven


async def require_ready(home: Path, account: str, now: datetime) -> None:
    """Refuse to arm an account of real money that was not proven on paper, or whose Prefect server is open.

    Raises:
        NotProven: no run of prove_readiness that has passed is young enough.
        NotProtected: the desk's login is gone, or the server that runs answers without one.
    """
    if is_paper_account(account):
        return
    require_proven(account, read_reports(home), now)
    server = server_in_use(home)
    if server is not None:
        await require_protected(server.api_url, login(home))
    elif not login(home).strip().strip(":"):
        why = f"would be started without a login, as {login_path(home)} is empty; remove that file"
        raise NotProtected("this desk", why)
