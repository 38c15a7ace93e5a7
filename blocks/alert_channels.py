"""Who is told, through Apprise; also usable in Prefect's own automations."""

from prefect.blocks.notifications import AbstractAppriseNotificationBlock
from pydantic import Field, SecretStr

from adapters.apprise_alerts import AppriseAlerts


class AlertChannels(AbstractAppriseNotificationBlock):
    """Where alerts go: one Apprise address per channel."""

    _block_type_name = "Openbell Alert Channels"
    _block_type_slug = "openbell-alert-channels"
    _description = "Where alerts go, through Apprise."

    urls: list[SecretStr] = Field(
        min_length=1,
        description="Apprise addresses, such as mailtos://user:password@example.com, tgram://token/chat, "
        "slack://tokens or json://127.0.0.1:8080.",
    )

    def block_initialization(self) -> None:
        """Give the addresses to Prefect's own Apprise client, which its automations use."""
        first, *rest = self.urls
        self._start_apprise_client(first)
        for url in rest:
            self._apprise_client.add(url.get_secret_value())

    def sender(self) -> AppriseAlerts:
        """Return the adapter that the outbox sends through."""
        return AppriseAlerts(tuple(url.get_secret_value() for url in self.urls))
