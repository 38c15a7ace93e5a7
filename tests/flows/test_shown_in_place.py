"""What a run shows on its page: one artifact in the place of the one before, and that a person has canceled it."""

from uuid import UUID

import pytest
from prefect import flow, get_client, runtime
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.states import Cancelling, Running

from tasks.hear import show_canceled
from tasks.publish import replace_markdown


@flow
async def show_twice(key: str) -> None:
    await replace_markdown(key, "at 10:00", "Where it is")
    await replace_markdown(key, "at 10:01", "Where it is")


@pytest.mark.usefixtures("prefect_harness")
async def test_what_a_run_shows_anew_takes_the_place_of_what_it_showed_and_another_runs_stays():
    await show_twice("shown-in-place")
    await show_twice("shown-in-place")

    async with get_client() as client:
        found = await client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["shown-in-place"]))
        )

    assert [artifact.data for artifact in found] == ["at 10:01", "at 10:01"]


@flow
async def end_as_told(*, is_canceled: bool) -> str:
    run = UUID(str(runtime.flow_run.id))
    async with get_client() as client:
        await client.set_flow_run_state(run, Cancelling() if is_canceled else Running(), force=True)
        await show_canceled()
        state = (await client.read_flow_run(run)).state
    assert state is not None
    return str(state.name)


@pytest.mark.usefixtures("prefect_harness")
@pytest.mark.parametrize(("is_canceled", "shown"), [(True, "Cancelled"), (False, "Running")])
async def test_a_run_that_a_person_cancels_is_shown_as_canceled_and_one_that_ends_otherwise_is_not(
    is_canceled: bool, shown: str
):
    assert await end_as_told(is_canceled=is_canceled) == shown
