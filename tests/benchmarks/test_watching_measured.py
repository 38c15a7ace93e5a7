"""Watching the market is measured beside a plain table of last values, as a whole, and as it grows."""

from benchmarks.measurement import Run
from benchmarks.watch_growth import growth, limits
from benchmarks.watch_session import session
from benchmarks.watch_sustained import sustained
from benchmarks.watching import metrics


def test_watching_is_timed_beside_last_values_and_its_memory_told(tmp_path):
    run = Run(folder=tmp_path, seed=7, quick=True)

    measured = {each.name: each for each in metrics(run)}

    assert list(measured)[:2] == ["watch.metrics.ticks", "watch.metrics.memory"]
    timed = [each for name, each in measured.items() if not name.endswith("memory")]
    assert len(timed) == 5
    assert all(each.value > 0 and each.baseline > 0 for each in timed)


def test_a_whole_watch_is_fed_from_outside_and_each_marked_tick_found_in_the_ledger(tmp_path):
    measured = {each.name: each.value for each in sustained(Run(folder=tmp_path, seed=7, quick=True))}

    assert measured["watch.sustained.cpu"] > 0
    for load in ("usual", "flood"):
        waited, told = (measured[f"watch.sustained.{load}.{what}.p50"] for what in ("metric", "alert"))
        assert 0 < waited < told


def test_growth_is_held_against_a_line_and_the_machine_measured(tmp_path):
    run = Run(folder=tmp_path, seed=7, quick=True)

    measured = {each.name: each for part in (growth, limits) for each in part(run)}

    assert measured["watch.growth.20.p50"].baseline == 2 * measured["watch.growth.10.p50"].value
    assert all(each.value > 0 for each in measured.values())


def test_a_session_is_recorded_and_all_of_it_watched_again(tmp_path):
    measured = {each.name: each for each in session(Run(folder=tmp_path, seed=7, quick=True))}

    assert list(measured) == ["watch.session", "watch.session.growth"]
    assert "32,000 ticks" in measured["watch.session"].note
