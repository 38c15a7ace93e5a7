"""The doctor: what a desk needs of its machine."""

from collections import namedtuple

import pytest
import time_machine

from cli import doctor
from cli.doctor import checkup
from trading.readiness import Check


def found(checks: list[Check], name: str) -> Check:
    return next(check for check in checks if check.name == name)


def installed(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """Let the environment look as if these packages were installed in these versions."""
    really = doctor.version
    monkeypatch.setattr(doctor, "version", lambda package: versions.get(package) or really(package))


def test_this_environment_can_run_the_desk(tmp_path):
    bad = [check for check in checkup(tmp_path) if not check.ok]

    assert bad == []


def test_a_check_that_is_well_needs_no_remedy_and_one_that_is_not_has_one(tmp_path, monkeypatch):
    installed(monkeypatch, fastapi="0.165.0")

    checks = checkup(tmp_path)

    assert all((check.remedy is None) == check.ok for check in checks)


@pytest.mark.parametrize(
    ("package", "version"), [("fastapi", "0.151.0"), ("fastapi", "0.165.1"), ("sqlalchemy", "2.1.9")]
)
def test_a_version_that_breaks_prefect_is_named(tmp_path, monkeypatch, package, version):
    installed(monkeypatch, **{package: version})

    check = found(checkup(tmp_path), package)

    assert not check.ok
    assert version in check.text
    assert f"pip install '{package}<" in str(check.remedy)


def test_the_two_interactive_brokers_libraries_exclude_each_other(tmp_path, monkeypatch):
    installed(monkeypatch, ib_insync="0.9.86", ib_async="2.1.0")

    check = found(checkup(tmp_path), "ib_async or ib_insync")

    assert not check.ok
    assert check.remedy == "pip uninstall ib_insync ib_async, then install the one you use again"


def test_a_home_that_is_a_file_cannot_be_used(tmp_path):
    home = tmp_path / "home"
    home.write_text("")

    check = found(checkup(home), "home")

    assert not check.ok
    assert str(home) in check.text


def test_a_disk_that_is_nearly_full_is_told_before_the_ledger_finds_out(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage(100 * 10**9, 99 * 10**9, 10**9))

    check = found(checkup(tmp_path), "disk")

    assert not check.ok
    assert check.text == "1.0 GB free, wanted 2"


def test_a_clock_that_has_lost_the_date_is_found(tmp_path):
    with time_machine.travel("2000-01-01T00:00:00Z"):
        check = found(checkup(tmp_path), "clock")

    assert not check.ok
    assert check.text == "2000-01-01 00:00 UTC"


@pytest.mark.slow
def test_the_installed_versions_can_start_a_server(tmp_path):
    check = found(checkup(tmp_path, start_server=True), "Prefect server")

    assert check.ok, check.text
