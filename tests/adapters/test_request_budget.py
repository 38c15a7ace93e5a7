import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.request_budget import Priority, RequestBudget
from tests.fork_server import fork_server
from trading.errors import InvalidValue

ORDER, DATA, BACKFILL = Priority.ORDER, Priority.DATA, Priority.BACKFILL


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def budget(tmp_path: Path, clock: Clock) -> RequestBudget:
    return RequestBudget(tmp_path / "budget", limit=9, seconds=1.0, monotonic=clock)


def taken(budget: RequestBudget, priority: Priority) -> int:
    """Take until there is no more."""
    count = 0
    while not budget.try_to_take(priority):
        count += 1
    return count


def test_no_more_than_the_limit_goes_out_in_a_second(budget: RequestBudget):
    """Whoever keeps on above 50 messages a second is disconnected.

    https://interactivebrokers.github.io/tws-api/order_limitations.html
    """
    assert taken(budget, ORDER) == 9


def test_the_wait_told_is_just_long_enough(budget: RequestBudget, clock: Clock):
    taken(budget, ORDER)
    clock.now += 0.4

    wait = budget.try_to_take(ORDER)
    clock.now += wait

    assert wait == pytest.approx(0.6)
    assert taken(budget, ORDER) == 9


def test_however_much_data_is_asked_for_a_third_is_left_to_orders(budget: RequestBudget):
    """All messages count against one limit, orders too.

    https://interactivebrokers.github.io/tws-api/order_limitations.html
    """
    assert taken(budget, BACKFILL) == 3
    assert taken(budget, DATA) == 3
    assert taken(budget, ORDER) == 3


def test_data_waits_while_orders_use_the_budget(budget: RequestBudget, clock: Clock):
    taken(budget, ORDER)
    clock.now += 0.5

    assert budget.try_to_take(DATA) == pytest.approx(0.5)


def test_a_second_process_finds_what_the_first_has_used(budget: RequestBudget, tmp_path: Path, clock: Clock):
    taken(budget, DATA)

    other = RequestBudget(tmp_path / "budget", limit=9, seconds=1.0, monotonic=clock)

    assert taken(other, ORDER) == 3


def test_times_of_before_a_restart_of_the_machine_are_forgotten(budget: RequestBudget, clock: Clock):
    taken(budget, ORDER)
    clock.now = 5.0

    assert taken(budget, ORDER) == 9


def test_a_file_that_was_cut_off_in_the_middle_is_read_as_far_as_it_goes(budget: RequestBudget, tmp_path: Path):
    taken(budget, ORDER)
    (tmp_path / "budget").write_bytes((tmp_path / "budget").read_bytes()[:-5])

    assert taken(budget, ORDER) == 1


def test_a_limit_that_leaves_nothing_to_a_priority_is_refused(tmp_path: Path):
    with pytest.raises(InvalidValue, match="at least 3"):
        RequestBudget(tmp_path / "budget", limit=2, seconds=1.0)


@given(steps=st.lists(st.tuples(st.sampled_from(Priority), st.floats(0, 0.7)), max_size=60))
def test_no_second_ever_holds_more_than_the_limit(tmp_path_factory: pytest.TempPathFactory, steps):
    clock, made = Clock(), []
    budget = RequestBudget(tmp_path_factory.mktemp("b") / "budget", limit=5, seconds=1.0, monotonic=clock)

    for priority, pause in steps:
        clock.now += pause
        if not budget.try_to_take(priority):
            made.append(clock.now)

    assert all(late - early >= 1.0 for early, late in zip(made, made[5:], strict=False))


def test_processes_that_ask_as_fast_as_they_can_share_one_budget(tmp_path: Path):
    context, file, window = fork_server(), tmp_path / "budget", 0.2
    workers = [context.Process(target=take_for_long, args=(file, window, tmp_path / str(n))) for n in range(3)]

    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    made = sorted(float(at) for n in range(3) for at in (tmp_path / str(n)).read_text().split())
    assert len(made) == 3 * 20
    assert all(late - early >= window - 0.01 for early, late in zip(made, made[12:], strict=False))


def take_for_long(file: Path, window: float, told: Path) -> None:
    at: list[float] = []

    def clock() -> float:
        at.append(time.monotonic())
        return at[-1]

    budget, made = RequestBudget(file, limit=12, seconds=window, monotonic=clock), []
    while len(made) < 20:
        if not budget.try_to_take(ORDER):
            made.append(at[-1])
    told.write_text(" ".join(map(repr, made)))
