"""The watch in SQL: its rules, and each breaking of one with its alert and its breaker, once."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from adapters.sql.alert_ending import end_alerts
from adapters.sql.alert_rows import put_alerts
from adapters.sql.audit import append_audit
from adapters.sql.breakers import append_change, last_changes
from adapters.sql.engine import reading, writing
from adapters.sql.order_rows import MARK, ORDER, STATE
from adapters.sql.rows import flat, insert_new, insert_told, table_of
from adapters.sql.watch_tables import ActingWatchRuleRow, WatchEventRow, WatchRuleRow
from trading.errors import InvalidValue
from trading.monitoring.rule_book import RuleEvent, Standing, fingerprint
from trading.monitoring.rule_breakers import ActingRule, acting_rules, rule_watch_breakers
from trading.monitoring.watch_rules import WatchRule, default_rules
from trading.orders.executions import SendMark
from trading.risk.restrictions import RestrictionKind, RiskScope

RULE, EVENT, ACTING = table_of(WatchRuleRow), table_of(WatchEventRow), table_of(ActingWatchRuleRow)
_RULES: TypeAdapter[WatchRule] = TypeAdapter(WatchRule)
_IDENTITY = ("rule_id", "subject", "broken_at", "is_broken")
_Key = tuple[str, str]  # rule and subject
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class SqlWatches:
    """Watches of all accounts of one ledger."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def rules(self) -> tuple[WatchRule, ...]:
        """Return the rules in force: those that a desk begins with, as persons have changed them since."""
        rules = {rule.rule_id: rule for rule in default_rules()}
        with reading(self._engine) as connection:
            for row in connection.execute(sa.select(RULE).order_by(RULE.c.id)):
                if row.content is None:
                    rules.pop(row.rule_id, None)
                else:
                    rules[row.rule_id] = _RULES.validate_python(row.content)
        return tuple(rules.values())

    def newest_change(self) -> int:
        """Return the number of the last change of a rule; 0 before the first."""
        with reading(self._engine) as connection:
            return int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(RULE.c.id), 0))).scalar_one())

    def put_rule(self, rule: WatchRule, *, actor: str, reason: str, now: datetime) -> None:
        """Add the rule, or put it in the place of the one of its name; watches take it up within seconds."""
        content = _RULES.dump_python(rule, mode="json")
        self._change(rule.rule_id, content, "put", actor=actor, reason=reason, now=now)

    def remove_rule(self, rule_id: str, *, actor: str, reason: str, now: datetime) -> None:
        """Take the rule away.

        Raises:
            InvalidValue: there is none of that name.
        """
        known = sorted(rule.rule_id for rule in self.rules())
        if rule_id not in known:
            raise InvalidValue("rule", rule_id, f"one of {', '.join(known)}")
        self._change(rule_id, None, "remove", actor=actor, reason=reason, now=now)

    def _change(
        self, rule_id: str, content: dict[str, Any] | None, what: str, *, actor: str, reason: str, now: datetime
    ) -> None:
        if not reason.strip():
            raise InvalidValue("reason", reason, "given: who looks at the rules later wants to know why")
        with writing(self._engine) as connection:
            row = {"rule_id": rule_id, "content": content, "actor": actor, "reason": reason, "changed_at": now}
            connection.execute(sa.insert(RULE).values(**row))
            append_audit(connection, actor=actor, action=f"{what} watch rule {rule_id}", text=reason, now=now)

    def record(self, watch: str, events: Sequence[RuleEvent], *, tells: bool = True) -> tuple[RuleEvent, ...]:
        """Record what is not recorded yet, with alerts and breakers, or their end, all or nothing; return what it was.

        So a watch that was killed may look at the same seconds once more: nobody is told twice, and nothing is lost.

        Args:
            watch: the account that is watched, whose breakers the rules with an action trip.
            tells: whether a person is told, and breakers trip; False for a replay.
        """
        if not events:
            return ()
        with writing(self._engine) as connection:
            rows = {tuple(row[name] for name in _IDENTITY): (row, e) for e in events for row in [_row(watch, e)]}
            columns = (EVENT.c[name] for name in _IDENTITY)
            told = insert_told(connection, WatchEventRow, [row for row, _ in rows.values()], *columns)
            new = tuple(event for key, (_, event) in rows.items() if key in told)
            if tells:
                put_alerts(connection, [e.alert(watch) for e in new if e.is_broken])
                for event in (e for e in new if not e.is_broken):
                    alert = event.alert(watch)
                    end_alerts(connection, alert.fingerprint, event.text, alert.raised_at)
            if tells and new:
                before = _acting(connection, watch)
                _act(connection, watch, before, acting_rules(watch, before, new), new, new[-1].at)
        return new

    def forget(self, watch: str, gone: Mapping[_Key, Standing], broken: Collection[_Key], at_us: int) -> None:
        """Record which rules, by rule and subject, are looked at no more; their alerts and breakers are over.

        Args:
            gone: those of this session that were broken.
            broken: all that are broken still; what an earlier session has left in force ends, too.
        """
        at, text = _EPOCH + at_us * _MICROSECOND, "is looked at no more"
        with reading(self._engine) as connection:
            is_over = not gone and _acting(connection, watch).keys() <= set(broken)
        if not is_over:
            with writing(self._engine) as connection:
                for key, stood in gone.items():
                    _end(connection, watch, key, stood, text, at)
                before = _acting(connection, watch)
                _act(connection, watch, before, {k: r for k, r in before.items() if k in broken}, (), at_us)

    def end_session(self, watch: str, broken: Mapping[_Key, Standing], at_us: int) -> None:
        """Record that the session ended while these rules, by rule and subject, were broken; their alerts are over.

        What they forbid stays forbidden until the next watch has looked: nobody has seen them kept.
        """
        at = _EPOCH + at_us * _MICROSECOND
        with writing(self._engine) as connection:
            acting = _acting(connection, watch)
            for key, stood in broken.items():
                stays = (
                    f"; {acting[key].action} stays in force until the next watch has looked" if key in acting else ""
                )
                _end(connection, watch, key, stood, f"was broken when the session ended{stays}", at)

    def standing(self, watch: str, since: datetime) -> dict[_Key, Standing]:
        """Return the rules that were broken since that time and not kept again, by rule and subject."""
        broken: dict[_Key, Standing] = {}
        wanted = sa.select(EVENT).where(EVENT.c.watch == watch, EVENT.c.broken_at >= since).order_by(EVENT.c.id)
        with reading(self._engine) as connection:
            for row in connection.execute(wanted):
                if row.is_broken:
                    at = _microseconds(row.broken_at)
                    broken[row.rule_id, row.subject] = Standing(since=at, broken_at=at)
                else:
                    broken.pop((row.rule_id, row.subject), None)
        return broken

    def history(self, watch: str, since: datetime) -> tuple[tuple[datetime, str, bool, str], ...]:
        """Return when which rule was broken or kept again since that time, oldest first, with the text."""
        wanted = sa.select(EVENT).where(EVENT.c.watch == watch, EVENT.c.at >= since).order_by(EVENT.c.at, EVENT.c.id)
        with reading(self._engine) as connection:
            return tuple((r.at, r.rule_id, r.is_broken, r.text) for r in connection.execute(wanted))

    def sent_at(self, account: str) -> dict[str, datetime]:
        """Return when each open order of the account was last marked as going out, by its ClOrdID."""
        newest = sa.select(MARK.c.cl_ord_id, sa.func.max(MARK.c.id).label("id")).where(
            MARK.c.mark == SendMark.SENDING.value
        )
        found = newest.join(ORDER, ORDER.c.cl_ord_id == MARK.c.cl_ord_id).join(
            STATE, STATE.c.cl_ord_id == MARK.c.cl_ord_id
        )
        last = found.where(ORDER.c.account == account, STATE.c.is_open).group_by(MARK.c.cl_ord_id).subquery()
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(MARK.c.cl_ord_id, MARK.c.marked_at).join(last, last.c.id == MARK.c.id))
            return {row.cl_ord_id: row.marked_at for row in rows}


def _end(connection: sa.Connection, watch: str, key: _Key, stood: Standing, text: str, at: datetime) -> None:
    rule_id, subject = key
    row = {"watch": watch, "rule_id": rule_id, "subject": subject, "is_broken": False, "value": None, "at": at}
    row |= {"broken_at": _EPOCH + stood.broken_at * _MICROSECOND, "text": f"{subject}: {rule_id} {text}"}
    insert_new(connection, WatchEventRow, [row])
    end_alerts(connection, f"{watch} {fingerprint(rule_id, subject, stood.broken_at)}", text, at)


def _acting(connection: sa.Connection, watch: str) -> dict[_Key, ActingRule]:
    rows = connection.execute(sa.select(ACTING).where(ACTING.c.watch == watch))
    return {
        (row.rule_id, row.subject): ActingRule(
            rule_id=row.rule_id,
            subject=row.subject,
            scope=RiskScope(row.scope),
            restricted=row.restricted,
            action=RestrictionKind(row.action),
        )
        for row in rows
    }


def _act(
    connection: sa.Connection,
    watch: str,
    before: Mapping[_Key, ActingRule],
    after: Mapping[_Key, ActingRule],
    events: Sequence[RuleEvent],
    at_us: int,
) -> None:
    """Trip and end the breakers of rules with an action, and keep which of these are broken."""
    if before == after and not any(e.is_broken and e.rule.action for e in events):
        return
    connection.execute(sa.delete(ACTING).where(ACTING.c.watch == watch))
    if after:
        connection.execute(sa.insert(ACTING), [{"watch": watch} | flat(rule) for rule in after.values()])
    now = _EPOCH + at_us * _MICROSECOND
    for change in rule_watch_breakers(watch, events, after, last_changes(connection, watch), now):
        append_change(connection, change)


def _row(watch: str, event: RuleEvent) -> dict[str, Any]:
    return {
        "watch": watch,
        "rule_id": event.rule.rule_id,
        "subject": event.subject,
        "broken_at": _EPOCH + event.broken_at * _MICROSECOND,
        "is_broken": event.is_broken,
        "value": event.value if event.value == event.value else None,
        "at": _EPOCH + event.at * _MICROSECOND,
        "text": event.text,
    }


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND
