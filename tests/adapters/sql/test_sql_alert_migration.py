"""A ledger from before channels had names keeps what was told, and what was not is still told."""

from alembic import command

from adapters.sql.engine import writing
from adapters.sql.outbox import SqlOutbox
from adapters.sql.schema import _config, migrate
from tests.adapters.sql.alert_desk import MINUTE, SECOND, Post, an_alert
from tests.builders import CLOSE, DECIDED
from trading.alert_routes import AlertRoute


def test_what_was_told_before_is_not_told_again_and_what_waited_still_waits(empty_engine):
    config = _config()
    with writing(empty_engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0016")
        alert = "INSERT INTO alert (fingerprint, severity, title, text, raised_at) VALUES"
        for name in ("waits", "told", "refused"):
            connection.exec_driver_sql(
                f"{alert} ('{name}', 'critical', '{name}', 'text', '2024-03-15 14:00:00.000000')"
            )
        delivery = "INSERT INTO alert_delivery (alert_id, tried_at, delivered, text) VALUES"
        for number, taken in ((2, "false"), (2, "true"), (3, "false")):
            values = f"({number}, '2024-03-15 14:01:00.000000', {taken}, 'answer')"
            connection.exec_driver_sql(f"{delivery} {values}")

    migrate(empty_engine)

    outbox = SqlOutbox(empty_engine)
    post = Post.of(outbox, AlertRoute(name="mail"))
    assert [a.fingerprint for a in outbox.due()] == ["waits", "refused"]
    assert {s.alert.fingerprint: s.told for s in outbox.open()} == {"waits": (), "told": ("",), "refused": ()}
    assert post.told(CLOSE) == ["raised waits", "raised refused"]
    outbox.raise_alert(an_alert("told"))
    outbox.raise_alert(an_alert("new"))
    assert post.told(CLOSE + SECOND) == ["raised new"]
    assert {s.alert.fingerprint: s.count for s in outbox.open()}["told"] == 2
    assert outbox.resolve("told", "over", DECIDED) == 1
    assert post.told(CLOSE + MINUTE) == []
