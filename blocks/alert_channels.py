"""Who is told, through Apprise; also usable in Prefect's own automations."""

from datetime import time, timedelta

from prefect.blocks.notifications import AbstractAppriseNotificationBlock
from prefect.types import SecretDict
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from adapters.apprise_alerts import AppriseChannel
from adapters.outside_monitor import OutsideMonitor
from trading.alert_messages import AlertChannel
from trading.alert_routes import AlertPolicy, AlertRoute, QuietHours
from trading.alerts import Severity
from trading.errors import InvalidValue


class ChannelRules(BaseModel):
    """What one channel is told, and when."""

    name: str = Field(description="Name of the channel, as in named_urls.")
    floor: Severity = Field(default=Severity.INFO, description="The least severity that it hears of.")
    quiet_from: time | None = Field(
        default=None, description="From then on only what is critical is sent; the rest waits. Empty: never quiet."
    )
    quiet_until: time | None = Field(default=None, description="The first minute that is not quiet.")
    time_zone: str = Field(default="UTC", description="Where that is the time, such as Europe/Berlin.")
    per_minute: int = Field(default=20, ge=1, description="Most messages in a minute.")
    alerts_per_message: int = Field(default=20, ge=1, description="Most alerts in one message.")
    escalate_after_minutes: int | None = Field(
        default=None,
        ge=1,
        description="Told only of what is critical and not acknowledged so many minutes after it was raised. "
        "Empty: told at once.",
    )
    tells_when_over: bool = Field(default=True, description="Whether it hears of the end of what it heard of.")
    timeout_seconds: float = Field(default=20, gt=0, description="How long its answer is waited for.")

    def route(self) -> AlertRoute:
        """Return the rules as values."""
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise InvalidValue("quiet hours", f"{self.quiet_from} to {self.quiet_until}", "given with both ends")
        quiet = None
        if self.quiet_from is not None and self.quiet_until is not None:
            quiet = QuietHours(begins=self.quiet_from, ends=self.quiet_until, time_zone=self.time_zone)
        minutes = self.escalate_after_minutes
        return AlertRoute(
            name=self.name,
            floor=self.floor,
            quiet=quiet,
            per_minute=self.per_minute,
            at_once=self.alerts_per_message,
            escalate_after=timedelta(minutes=minutes) if minutes is not None else None,
            tells_resolved=self.tells_when_over,
            timeout=timedelta(seconds=self.timeout_seconds),
        )


class AlertChannels(AbstractAppriseNotificationBlock):
    """Where alerts go: one Apprise address per channel."""

    _block_type_name = "Openbell Alert Channels"
    _block_type_slug = "openbell-alert-channels"
    _description = "Where alerts go, through Apprise."
    model_config = ConfigDict(hide_input_in_errors=True)  # it would be shown with its addresses

    urls: list[SecretStr] = Field(
        default_factory=list,
        description="Apprise addresses, such as mailtos://user:password@example.com, tgram://token/chat, "
        "slack://tokens or json://127.0.0.1:8080. Each hears of everything at once.",
    )
    named_urls: SecretDict = Field(
        default_factory=lambda: SecretDict({}),
        description='Apprise addresses by name, such as {"phone": "tgram://token/chat"}, for those with rules.',
    )
    rules: list[ChannelRules] = Field(
        default_factory=list, description="What each named channel is told, and when; without: everything at once."
    )
    ping_url: SecretStr | None = Field(
        default=None,
        description="Address of a check at healthchecks.io or the like, which raises the alarm when it is not asked "
        "any more; the same with /fail tells it of trouble.",
    )

    @model_validator(mode="after")
    def _refuse_wrong_rules(self) -> "AlertChannels":
        if not self._urls():
            raise ValueError("urls and named_urls are empty, but one of them must name a channel")
        if unknown := sorted({r.name for r in self.rules} - set(self._urls())):
            raise ValueError(f"rules are for {', '.join(unknown)}, but must be for one of {', '.join(self._urls())}")
        try:
            self.policy()
            self.monitor()
        except InvalidValue as exc:
            raise ValueError(str(exc)) from exc
        return self

    def block_initialization(self) -> None:
        """Give the addresses to Prefect's own Apprise client, which its automations use."""
        first, *rest = self._urls().values()
        self._start_apprise_client(SecretStr(first))
        for url in rest:
            self._apprise_client.add(url)

    def channels(self) -> tuple[AlertChannel, ...]:
        """Return the adapters that alerts are sent through."""
        return tuple(AppriseChannel(name, url) for name, url in self._urls().items())

    def policy(self) -> AlertPolicy:
        """Return who is told of what."""
        ruled = {rules.name for rules in self.rules}
        plain = tuple(AlertRoute(name=name) for name in self._urls() if name not in ruled)
        return AlertPolicy(routes=(*plain, *(rules.route() for rules in self.rules)))

    def monitor(self) -> OutsideMonitor | None:
        """Return who raises the alarm when the desk is not heard any more."""
        return OutsideMonitor(self.ping_url) if self.ping_url is not None else None

    def _urls(self) -> dict[str, str]:
        """Return the addresses by name; a plain one is named by its place and its scheme, never by a secret."""
        plain = [url.get_secret_value() for url in self.urls]
        names = {f"channel {place} ({_scheme(url)})": url for place, url in enumerate(plain, start=1)}
        return names | {name: str(url) for name, url in self.named_urls.get_secret_value().items()}


def _scheme(url: str) -> str:
    scheme, is_there, _ = url.partition("://")
    return scheme if is_there else "no scheme"
