"""Readiness reports as JSON files in the desk's folder, one for each account: the last run counts."""

import json
import os
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from trading.errors import InvalidValue
from trading.readiness import Check, ReadinessReport


def write_report(home: Path, report: ReadinessReport) -> Path:
    """Write the account's report in place of the one before, whole or not at all."""
    path = home / f"readiness-{report.account}.json"
    descriptor, draft = tempfile.mkstemp(dir=home, prefix=".readiness-")
    with os.fdopen(descriptor, "w") as file:
        json.dump(_as_json(report), file, indent=2)
    Path(draft).replace(path)
    return path


def read_reports(home: Path) -> list[ReadinessReport]:
    """Return the reports of all accounts.

    Raises:
        InvalidValue: a file is not as it was written.
    """
    return [_report_in(path) for path in sorted(home.glob("readiness-*.json"))]


def _as_json(report: ReadinessReport) -> dict[str, Any]:
    return {
        "account": report.account,
        "host": report.host,
        "port": report.port,
        "library": report.library,
        "server_version": report.server_version,
        "passed": report.passed,
        "at": report.at.isoformat(),
        "checks": [{"name": c.name, "ok": c.ok, "text": c.text, "remedy": c.remedy} for c in report.checks],
    }


def _report_in(path: Path) -> ReadinessReport:
    try:
        told = json.loads(path.read_text())
        return ReadinessReport(
            account=told["account"],
            host=told["host"],
            port=told["port"],
            library=told["library"],
            server_version=told["server_version"],
            checks=tuple(
                Check(name=c["name"], ok=c["ok"] is True, text=c["text"], remedy=c["remedy"]) for c in told["checks"]
            ),
            at=_aware(told["at"]),
        )
    except (ValueError, KeyError, TypeError) as exc:
        rule = f"a report of prove_readiness ({type(exc).__name__}: {exc}); remove it and run prove-readiness again"
        raise InvalidValue("readiness report", str(path), rule) from exc


def _aware(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return at
