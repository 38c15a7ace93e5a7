"""`openbell rules`: what the watch of the market looks at, and a person's word that changes it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from pydantic import TypeAdapter, ValidationError

from cli.pages import show, show_json
from cli.shell import open_ledger, person, say
from trading.alerts import Severity
from trading.errors import InvalidValue
from trading.monitoring.metrics import Metric
from trading.monitoring.watch_rules import Comparison, OwnMetric, WatchRule
from trading.risk.restrictions import RestrictionKind
from trading.validation import invalid_value_of

commands = App(name="rules", help="List the rules of the watch; add, change and remove them by name and reason.")
Reason = Annotated[str, Parameter(help="Why; kept in the audit trail.")]
Threshold = Annotated[float | None, Parameter(allow_leading_hyphen=True)]
METRICS = (*(metric.value for metric in Metric), *(metric.value for metric in OwnMetric))
_RULES: TypeAdapter[WatchRule] = TypeAdapter(WatchRule)


@commands.default
def rules(*, as_json: Annotated[bool, Parameter(name="--json", negative=(), help="Print JSON.")] = False) -> None:
    """List the rules in force; as JSON in the form that `put --file` takes."""
    found = open_ledger().watches.rules()
    if as_json:
        show_json([_RULES.dump_python(rule, mode="json") for rule in found])
    else:
        show("Rules of the watch", rule_rows(found))


@commands.command
def put(
    *,
    reason: Reason,
    file: Annotated[Path | None, Parameter(help="JSON file of one rule, instead of the options below.")] = None,
    rule_id: Annotated[str | None, Parameter(name="--id", help="Its name; a rule of that name is replaced.")] = None,
    metric: Annotated[str | None, Parameter(help=f"The number that is looked at: {', '.join(METRICS)}.")] = None,
    above: Annotated[Threshold, Parameter(help="It is broken above this.")] = None,
    below: Annotated[Threshold, Parameter(help="It is broken below this.")] = None,
    beyond: Annotated[Threshold, Parameter(help="It is broken further from 0 than this, up or down.")] = None,
    clear_at: Annotated[Threshold, Parameter(help="It is kept again here; by default at the threshold.")] = None,
    hold_seconds: Annotated[int | None, Parameter(help="How long without a break; by default 0.")] = None,
    cadence: Annotated[int | None, Parameter(help="Every 1, 5, 30 or 300 seconds; by default 1.")] = None,
    severity: Annotated[Severity | None, Parameter(help="By default warning.")] = None,
    symbol: Annotated[tuple[str, ...], Parameter(negative=(), help="Only of this symbol; may be given again.")] = (),
    action: Annotated[RestrictionKind | None, Parameter(help="What is forbidden until it is kept again.")] = None,
) -> None:
    """Add a rule, or change the one of its name."""
    thresholds = {Comparison.ABOVE: above, Comparison.BELOW: below, Comparison.BEYOND: beyond}
    options = {
        "rule_id": rule_id,
        "metric": metric,
        "clear_at": clear_at,
        "hold_seconds": hold_seconds,
        "cadence": cadence,
        "severity": severity,
        "symbols": symbol or None,
        "action": action,
    }
    given = {name: value for name, value in options.items() if value is not None}
    if file is None:
        _require_named(rule_id, metric)
        rule = _rule(given | _threshold(thresholds))
    elif given or any(each is not None for each in thresholds.values()):
        raise InvalidValue("--file", str(file), "given without options of the rule: it holds the whole rule")
    else:
        rule = _rule(_content(file))
    open_ledger().watches.put_rule(rule, actor=person(), reason=reason, now=datetime.now(UTC))
    say(f"Rule {rule.rule_id} is in force; running watches take it up within seconds.", markup=False)


@commands.command
def remove(rule_id: str, /, *, reason: Reason) -> None:
    """Take a rule away."""
    open_ledger().watches.remove_rule(rule_id, actor=person(), reason=reason, now=datetime.now(UTC))
    say(f"Rule {rule_id} is removed.", markup=False)


def rule_rows(found: Sequence[WatchRule]) -> list[dict[str, Any]]:
    """Return one row per rule."""
    return [
        {
            "rule": rule.rule_id,
            "metric": rule.metric.value,
            "comparison": rule.comparison.value,
            "threshold": f"{rule.threshold:g}",
            "clears at": f"{rule.clears_at:g}",
            "hold s": rule.hold_seconds,
            "every s": rule.cadence.value,
            "severity": rule.severity.value,
            "symbols": "all" if rule.symbols is None else ", ".join(sorted(rule.symbols)),
            "action": rule.action and rule.action.value,
        }
        for rule in found
    ]


def _require_named(rule_id: str | None, metric: str | None) -> None:
    for option, value in (("--id", rule_id), ("--metric", metric)):
        if value is None:
            raise InvalidValue(option, "left out", "given, or --file in its place")


def _threshold(given: Mapping[Comparison, float | None]) -> dict[str, Any]:
    told = [(comparison, threshold) for comparison, threshold in given.items() if threshold is not None]
    if len(told) != 1:
        names = " and ".join(f"--{comparison}" for comparison, _ in told) or "left out"
        raise InvalidValue("the threshold", names, "one of --above, --below, --beyond")
    return {"comparison": told[0][0], "threshold": told[0][1]}


def _rule(content: Mapping[str, Any]) -> WatchRule:
    if (metric := content.get("metric")) is not None and metric not in METRICS:
        raise InvalidValue("metric", metric, f"one of {', '.join(METRICS)}")
    try:
        return _RULES.validate_python(content)
    except ValidationError as exc:
        raise invalid_value_of(exc) from exc


def _content(file: Path) -> dict[str, Any]:
    """Return the fields in the file."""
    try:
        content = json.loads(file.read_text())
    except OSError as exc:
        raise InvalidValue("--file", str(file), f"a file that can be read ({exc.strerror})") from exc
    except ValueError as exc:
        raise InvalidValue("--file", str(file), f"a file of JSON ({exc})") from exc
    if not isinstance(content, dict):
        names = ", ".join(f.name for f in fields(WatchRule))
        raise InvalidValue("--file", str(file), f"one JSON object with the fields of a rule: {names}")
    return content
