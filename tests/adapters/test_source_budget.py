"""What may be asked of a provider of data: in all processes together, and how long one waits for it."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer

from adapters.json_api import JsonApi
from adapters.request_budget import RequestBudget
from adapters.source_budget import RequestLimit, SourceBudget, source_budget
from trading.errors import SourceUnavailable


class Clock:
    """A clock that goes on only while one sleeps."""

    def __init__(self) -> None:
        self.now, self.slept = 1000.0, 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def a_budget(folder: Path, clock: Clock, *, longest_wait: timedelta = timedelta(seconds=75)) -> SourceBudget:
    """Return the budget of Alpha Vantage's free plan: 25 a day, 5 a minute."""
    limits = [
        RequestBudget(folder / "day", limit=25, seconds=86_400, monotonic=clock),
        RequestBudget(folder / "minute", limit=5, seconds=60, monotonic=clock),
    ]
    return SourceBudget(limits, longest_wait=longest_wait, sleep=clock.sleep)


def test_the_sixth_request_of_a_minute_waits_for_the_next(tmp_path: Path, clock: Clock):
    budget = a_budget(tmp_path, clock)

    for _ in range(6):
        budget.take("acme")

    assert clock.slept == pytest.approx(60)


def test_a_day_that_is_used_up_is_told_at_once_with_the_time_when_there_is_room(tmp_path: Path, clock: Clock):
    budget = a_budget(tmp_path, clock)
    for _ in range(25):
        budget.take("acme")
    waited = clock.slept

    # The first of them was 4 minutes ago: 24:00:00 - 0:04:00.
    with pytest.raises(SourceUnavailable, match=r"acme is unavailable: .* used up; there is room in 23:56:00"):
        budget.take("acme")

    assert clock.slept == waited == pytest.approx(240)


def test_nobody_waits_longer_than_the_longest_wait(tmp_path: Path, clock: Clock):
    budget = a_budget(tmp_path, clock, longest_wait=timedelta(seconds=30))
    for _ in range(5):
        budget.take("acme")

    with pytest.raises(SourceUnavailable, match="there is room in 0:01:00"):
        budget.take("acme")

    assert clock.slept == 0


def test_a_second_process_finds_what_the_first_has_used(tmp_path: Path, clock: Clock):
    for _ in range(5):
        a_budget(tmp_path, clock).take("acme")

    with pytest.raises(SourceUnavailable):
        a_budget(tmp_path, clock, longest_wait=timedelta(0)).take("acme")


def test_each_provider_address_and_limit_has_a_file_in_a_folder_of_this_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    limits = [
        RequestLimit(requests=5, within=timedelta(minutes=1)),
        RequestLimit(requests=25, within=timedelta(days=1)),
    ]

    source_budget("acme", limits).take("acme")
    source_budget("acme", limits[:1], base_url="http://me:secret@127.0.0.1:1/..").take("acme")

    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.name for file in folder.iterdir()} == {
        "acme-60s.requests",
        "acme-86400s.requests",
        "acme-697c53e61432b92b-60s.requests",  # printf http://me:secret@127.0.0.1:1/.. | sha256sum | cut -c 1-16
    }


def test_no_request_is_sent_for_which_there_is_no_room(tmp_path: Path, clock: Clock, httpserver: HTTPServer):
    httpserver.expect_request("/q").respond_with_json({})
    budget = SourceBudget([RequestBudget(tmp_path / "day", limit=3, seconds=86_400, monotonic=clock)])
    api = JsonApi("acme", httpserver.url_for(""), key=SecretStr("key"), budget=budget)

    for _ in range(3):
        api.get("/q", {})
    with pytest.raises(SourceUnavailable, match="there is room in 1 day"):
        api.get("/q", {})

    assert len(httpserver.log) == 3
