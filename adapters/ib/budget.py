"""The budget of a gateway: IB counts the messages of all its clients, so all processes of this machine share one."""

from adapters.ib.ib_settings import IbSettings
from adapters.request_budget import RequestBudget, machine_budget


def gateway_budget(settings: IbSettings) -> RequestBudget:
    """Return the budget of messages to that gateway.

    Raises:
        InvalidValue: its folder belongs to another user.
    """
    return machine_budget(f"ib-{settings.host}-{settings.port}", limit=settings.messages_per_second, seconds=1.0)
