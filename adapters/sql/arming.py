"""Arming in SQL: real money is traded only while a person has said so, and never for longer than a week."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from adapters.sql.audit import append_audit
from adapters.sql.engine import reading, writing
from adapters.sql.rows import table_of
from adapters.sql.tables import ArmingRow
from trading.errors import InvalidValue, NotArmed

ARMING = table_of(ArmingRow)
LONGEST = timedelta(days=7)


class SqlArming:
    """The switches of all accounts of one ledger."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def arm(self, account: str, until: datetime, *, actor: str, reason: str, now: datetime) -> None:
        """Let the account trade real money until then; a time that has come disarms it.

        Raises:
            InvalidValue: the time is too far away, or no reason was given.
        """
        if until - now > LONGEST:
            raise InvalidValue(
                "until", f"{until:%Y-%m-%d %H:%M}", f"at most {LONGEST.days} days away; arm it again then"
            )
        if not reason.strip():
            raise InvalidValue("reason", reason, "a sentence that says why; it is kept")
        row = {"account": account, "armed_until": until, "actor": actor, "reason": reason, "armed_at": now}
        with writing(self._engine) as connection:
            connection.execute(sa.insert(ARMING).values(**row))
            action = f"{'arm' if until > now else 'disarm'} {account}"
            append_audit(
                connection, actor=actor, action=action, text=f"until {until:%Y-%m-%d %H:%M} UTC: {reason}", now=now
            )

    def armed_until(self, account: str) -> datetime | None:
        """Return when the account is or was disarmed; None when it never was armed."""
        last = sa.select(ARMING.c.armed_until).where(ARMING.c.account == account).order_by(ARMING.c.id.desc()).limit(1)
        with reading(self._engine) as connection:
            until: datetime | None = connection.execute(last).scalar_one_or_none()
        return until

    def require_armed(self, account: str, now: datetime) -> None:
        """Raise NotArmed unless the account may trade real money now."""
        until = self.armed_until(account)
        if until is None or until <= now:
            raise NotArmed(account, until)
