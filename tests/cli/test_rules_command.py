"""A person adds, changes and removes rules of the watch at the shell, by name and reason."""

import json
from pathlib import Path

from adapters.sql.audit import first_broken_entry
from adapters.sql.ledger import Ledger, LedgerPlace
from adapters.sql.schema import migrate
from tests.cli.shell import cells, openbell_in_turn
from trading.alerts import Severity
from trading.monitoring.metrics import Metric
from trading.monitoring.watch_rules import Cadence, Comparison, OwnMetric, WatchRule, default_rules
from trading.risk.restrictions import RestrictionKind

WHY = ["--reason", "wide lately"]
SPREAD = ["rules", "put", "--id", "mine", "--metric", "spread_pct", *WHY]


def rules_of(home: Path) -> dict[str, WatchRule]:
    return {rule.rule_id: rule for rule in Ledger.of(LedgerPlace(home=home)).watches.rules()}


def test_a_rule_is_added_by_options_changed_by_a_file_and_removed(tmp_path: Path):
    migrate(LedgerPlace(home=tmp_path).engine())
    file = tmp_path / "rule.json"
    file.write_text('{"rule_id": "loss", "metric": "day_loss_pct", "comparison": "above", "threshold": 1.5}')
    every_option = ["--clear-at", "1.5", "--hold-seconds", "30", "--cadence", "5", "--severity", "critical"]
    of_two = ["--symbol", "IBM", "--symbol", "BAC", "--action", "close_only"]

    added, fallen, by_file, removed, page, as_json = openbell_in_turn(
        tmp_path,
        [
            [*SPREAD, "--above", "2", *every_option, *of_two],
            ["rules", "put", "--id", "fallen", "--metric", "return_5m_pct", "--below", "-3", *WHY],
            ["rules", "put", "--file", str(file), *WHY],
            ["rules", "remove", "volume-warning", *WHY],
            ["rules"],
            ["rules", "--json"],
        ],
    )

    rules = rules_of(tmp_path)
    assert [said.exit_code for said in (added, fallen, by_file, removed)] == [0, 0, 0, 0]
    assert rules["mine"] == WatchRule(
        rule_id="mine",
        metric=Metric.SPREAD_PCT,
        comparison=Comparison.ABOVE,
        threshold=2,
        clear_at=1.5,
        hold_seconds=30,
        cadence=Cadence.FIVE_SECONDS,
        severity=Severity.CRITICAL,
        symbols=frozenset({"IBM", "BAC"}),
        action=RestrictionKind.CLOSE_ONLY,
    )
    assert (rules["fallen"].comparison, rules["fallen"].threshold) == (Comparison.BELOW, -3)
    assert (rules["loss"].metric, rules["loss"].severity) == (OwnMetric.DAY_LOSS_PCT, Severity.WARNING)
    assert rules.keys() == {rule.rule_id for rule in default_rules()} - {"volume-warning"} | {"mine", "fallen", "loss"}
    mine = ["mine", "spread_pct", "above", "2", "1.5", "30", "5", "critical", "BAC, IBM", "close_only"]
    assert mine in cells(page.out)
    assert (
        json.loads(file.read_text()).items()
        <= next(rule for rule in json.loads(as_json.out) if rule["rule_id"] == "loss").items()
    )  # the form that it is put in
    assert first_broken_entry(Ledger.of(LedgerPlace(home=tmp_path)).engine) is None


def test_a_rule_that_cannot_be_is_refused_in_one_line_and_nothing_is_changed(tmp_path: Path):
    migrate(LedgerPlace(home=tmp_path).engine())
    file, not_json = tmp_path / "rule.json", tmp_path / "not.json"
    file.write_text('{"rule_id": "f", "metric": "spread_pct", "comparison": "above", "threshold": 1, "treshold": 2}')
    not_json.write_text("[")
    wrong = {
        "must be one of --above, --below, --beyond": SPREAD,
        "'--above and --below'": [*SPREAD, "--above", "1", "--below", "2"],
        "--id is 'left out'": ["rules", "put", "--metric", "spread_pct", "--above", "1", *WHY],
        "metric is 'sprad', but must be one of bid, ask": [
            *["rules", "put", "--id", "mine", "--metric", "sprad", "--above", "1", *WHY]
        ],
        "must be at most the threshold of 1": [*SPREAD, "--above", "1", "--clear-at", "2"],
        "cadence of WatchRule is 7, but must be 1, 5, 30 or 300": [*SPREAD, "--above", "1", "--cadence", "7"],
        "but must be a finite number": [*SPREAD, "--above", "nan"],
        "must be left out: there is no such field": ["rules", "put", "--file", str(file), *WHY],
        "must be a file of JSON": ["rules", "put", "--file", str(not_json), *WHY],
        "must be a file that can be read": ["rules", "put", "--file", str(tmp_path / "gone"), *WHY],
        "without options of the rule": ["rules", "put", "--file", str(file), "--above", "0", *WHY],
        "rule is 'mine', but must be one of day-loss-critical": ["rules", "remove", "mine", *WHY],
        "reason is ''": ["rules", "remove", "volume-warning", "--reason", ""],
    }

    said = openbell_in_turn(tmp_path, list(wrong.values()))

    for expected, answer in zip(wrong, said, strict=True):
        assert expected in answer.err
        assert (answer.exit_code, answer.err.count("\n"), answer.out) == (1, 1, "")
    assert rules_of(tmp_path) == {rule.rule_id: rule for rule in default_rules()}
