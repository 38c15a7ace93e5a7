"""The tables of measurements, in Markdown, from the lines of runs."""

import json
from collections.abc import Iterable
from typing import Any

CATALOGUE = "gate.catalogue."  # told in docs/quality.md, a row for each kind of damage


def markdown_table(lines: Iterable[str]) -> str:
    """Return a table for each machine and, below it, what it is; the catalogue has a page of its own."""
    rows = [json.loads(line) for line in lines if line.strip()]
    rows = [row for row in rows if not row["name"].startswith(CATALOGUE) or "false_alarms" in row["name"]]
    machines = dict.fromkeys(row["machine"] for row in rows)
    return "\n\n".join(_table_of([row for row in rows if row["machine"] == machine], machine) for machine in machines)


def _table_of(rows: list[dict[str, Any]], machine: str) -> str:
    table = ["| measurement | value | aim | baseline | what |", "| --- | ---: | ---: | ---: | --- |"]
    table += [f"| `{r['name']}` | {_value(r, 'value')} | {_aim(r)} | {_baseline(r)} | {r['note']} |" for r in rows]
    return "\n".join([*table, "", f"Measured on {machine}."])


def _aim(row: dict[str, Any]) -> str:
    if row["aim"] is None:
        return ""
    return f"{row['aim'].replace('<=', '≤').replace('>=', '≥')}: {'met' if row['aim_met'] else 'missed'}"


def _baseline(row: dict[str, Any]) -> str:
    return "" if row["baseline"] is None else f"{_value(row, 'baseline')} (ratio {row['ratio']:.3g})"


def _value(row: dict[str, Any], field: str) -> str:
    number = row[field]
    return f"{number:,.0f} {row['unit']}" if number >= 1000 else f"{number:.3g} {row['unit']}"
