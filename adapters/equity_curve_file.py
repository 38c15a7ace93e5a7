"""The equity curve of a session as a file: a JSON object a line."""

import json
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from adapters.private_file import write_private
from trading.errors import StoreUnavailable
from trading.monitoring.session_curve import CurvePoint, SessionCurve


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityCurveFile:
    """One such file, of one account and session."""

    path: Path

    def write(self, curve: SessionCurve) -> None:
        """Put the curve in the place of what is there, as a whole; when this returns it is on the disk.

        Raises:
            StoreUnavailable: it could not be written.
        """
        lines = "".join(f"{json.dumps(_row(point), allow_nan=False)}\n" for point in curve.points)
        try:
            write_private(self.path, lines.encode())
        except OSError as exc:
            raise StoreUnavailable(str(self.path), str(exc)) from exc

    def read(self) -> SessionCurve:
        """Return the curve as it was last written; empty when it never was.

        Raises:
            StoreUnavailable: it cannot be read, or is no such file.
        """
        try:
            lines = self.path.read_text().splitlines() if self.path.exists() else []
            return SessionCurve(points=tuple(_point(json.loads(line)) for line in lines))
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise StoreUnavailable(str(self.path), f"{type(exc).__name__}: {exc}") from exc


def _row(point: CurvePoint) -> dict[str, Any]:
    return {f.name: getattr(point, f.name) for f in fields(point)} | {"at": point.at.isoformat()}


def _point(row: dict[str, Any]) -> CurvePoint:
    numbers = {f.name: row[f.name] for f in fields(CurvePoint) if f.name != "at"}
    return CurvePoint(at=datetime.fromisoformat(row["at"]), **{name: _number(value) for name, value in numbers.items()})


def _number(value: object) -> float | None:
    if value is None or isinstance(value, float):
        return value
    raise TypeError(f"{value!r} is no amount")
