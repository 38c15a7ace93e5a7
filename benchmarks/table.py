"""The table of measurements, in Markdown, from the lines of a run."""

import json
from collections.abc import Iterable
from typing import Any

CATALOGUE = "gate.catalogue."  # told in docs/quality.md, a row for each kind of damage


def markdown_table(lines: Iterable[str]) -> str:
    """Return the table and, below it, what the numbers were measured on; the catalogue has a page of its own."""
    rows = [json.loads(line) for line in lines if line.strip()]
    rows = [row for row in rows if not row["name"].startswith(CATALOGUE) or "false_alarms" in row["name"]]
    table = ["| measurement | value | aim | baseline | what |", "| --- | ---: | ---: | ---: | --- |"]
    table += [f"| `{r['name']}` | {_value(r, 'value')} | {_aim(r)} | {_baseline(r)} | {r['note']} |" for r in rows]
    machines = dict.fromkeys(r["machine"] for r in rows)
    return "\n".join([*table, "", *(f"Measured on {machine}." for machine in machines)])


def _aim(row: dict[str, Any]) -> str:
    if row["aim"] is None:
        return ""
    return f"{row['aim'].replace('<=', '≤').replace('>=', '≥')}: {'met' if row['aim_met'] else 'missed'}"


def _baseline(row: dict[str, Any]) -> str:
    return "" if row["baseline"] is None else f"{_value(row, 'baseline')} (ratio {row['ratio']:.3g})"


def _value(row: dict[str, Any], field: str) -> str:
    number = row[field]
    return f"{number:,.0f} {row['unit']}" if number >= 1000 else f"{number:.3g} {row['unit']}"
