"""The equity curve of a session survives a restart."""

from pathlib import Path

import pytest

from adapters.equity_curve_file import EquityCurveFile
from tests.builders import at
from trading.errors import StoreUnavailable
from trading.monitoring.session_curve import CurvePoint, SessionCurve


def test_a_curve_is_read_as_it_was_written_with_what_was_not_known(tmp_path: Path):
    file = EquityCurveFile(path=tmp_path / "paper.jsonl")
    known = CurvePoint(at=at(0), equity=1000.1, pnl=-3.25, gross=900.0, net=-900.0)
    unknown = CurvePoint(at=at(1), equity=None, pnl=None, gross=None, net=None)
    curve = SessionCurve(points=(known, unknown))

    before = file.read()
    file.write(curve)

    assert (before, file.read()) == (SessionCurve(), curve)
    assert file.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ['{"at": "2024', "[]\n", '{"at": "2024-03-15T13:30:00+00:00", "equity": "much"}\n'])
def test_a_file_that_is_no_curve_is_refused(tmp_path: Path, content: str):
    file = EquityCurveFile(path=tmp_path / "paper.jsonl")
    file.path.write_text(content)

    with pytest.raises(StoreUnavailable, match=r"paper\.jsonl cannot be used"):
        file.read()
