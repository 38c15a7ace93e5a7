"""Readiness reports on disk: what is written is what is read, and what was tampered with counts for nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from adapters.readiness_files import read_reports, write_report
from tests.trading.test_readiness import BAD, WELL, a_report
from trading.errors import InvalidValue


def test_a_report_is_read_as_it_was_written(tmp_path: Path):
    report = a_report(WELL, BAD)

    path = write_report(tmp_path, report)

    assert path == tmp_path / "readiness-DU1234567.json"
    assert read_reports(tmp_path) == [report]
    assert '"passed": false' in path.read_text()


def test_the_last_run_of_an_account_counts(tmp_path: Path):
    other = a_report(account="DU7")
    for report in (a_report(), a_report(BAD), other):
        write_report(tmp_path, report)

    assert read_reports(tmp_path) == [a_report(BAD), other]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_word_that_says_passed_proves_nothing_without_its_checks(tmp_path: Path):
    path = write_report(tmp_path, a_report(BAD))
    path.write_text(path.read_text().replace('"passed": false', '"passed": true'))

    assert not read_reports(tmp_path)[0].passed


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"account": "DU7"}', "\x00"])
def test_a_damaged_file_is_told_with_what_to_do(tmp_path: Path, text: str):
    path = write_report(tmp_path, a_report())
    path.write_text(text)

    with pytest.raises(InvalidValue, match=r"readiness-DU1234567\.json.*run prove-readiness again"):
        read_reports(tmp_path)


def test_a_time_without_a_zone_is_no_time(tmp_path: Path):
    report = a_report()
    write_report(tmp_path, replace(report, at=report.at.replace(tzinfo=None)))

    with pytest.raises(InvalidValue, match="has no time zone"):
        read_reports(tmp_path)
