"""The fast Prefect of the tests, seen from a test."""

from prefect import flow, task
from prefect.variables import Variable


@task
async def double(number: int) -> int:
    return 2 * number


@flow
async def count_lots() -> int:
    return await double(4)


async def test_a_flow_and_its_task_run_on_a_private_server(prefect_harness):
    assert await count_lots() == 8


async def test_a_setting_saved_in_prefect_is_read_again(prefect_harness):
    await Variable.aset("armed_until", "2026-11-20T21:00:00Z", overwrite=True)

    assert await Variable.aget("armed_until") == "2026-11-20T21:00:00Z"
