"""The trail of a session with a broker: written down, and told when a person should know."""

import asyncio
import logging

from adapters.ib.session_states import SessionState, SessionTransition
from adapters.sql.ledger import Ledger
from trading.alerts import Alert, Severity
from trading.errors import LedgerUnavailable

CLOSED = "closed"  # what a session says of its own end


class SessionTrail:
    """Writes each change of state into the ledger, off the loop that tells of it."""

    def __init__(self, ledger: Ledger, account: str, session_name: str) -> None:
        self._ledger, self._account, self._session_name = ledger, account, session_name

    def __call__(self, transition: SessionTransition) -> None:
        """Take a change of state."""
        asyncio.get_running_loop().run_in_executor(None, self.write, transition)

    def write(self, transition: SessionTransition) -> None:
        """Write it; a ledger that refuses must not end the session, so the log is told."""
        try:
            self._ledger.broker_sessions.record(
                self._account,
                self._session_name,
                transition.at,
                transition.before.value,
                transition.after.value,
                transition.cause,
            )
            if (alert := self._alert(transition)) is not None:
                self._ledger.outbox.raise_alert(alert)
        except LedgerUnavailable:
            logging.getLogger(__name__).exception("A change of state of the session could not be written")

    def _alert(self, transition: SessionTransition) -> Alert | None:
        lost = transition.before is SessionState.READY and transition.after in (
            SessionState.DEGRADED,
            SessionState.DISCONNECTED,
        )
        if transition.cause == CLOSED or not (lost or transition.missed):
            return None
        what = "lost its broker" if lost else f"caught up with {len(transition.missed)} reports that it had missed"
        return Alert(
            fingerprint=f"session {self._account} {self._session_name} {transition.after} {transition.at.isoformat()}",
            severity=Severity.WARNING,
            title=f"The {self._session_name} session of {self._account} {what}",
            text=f"{transition.before} → {transition.after}: {transition.cause}. It reconnects by itself, and sends "
            "nothing new until it has asked for all that it may have missed.",
            raised_at=transition.at,
        )
