"""Answers of providers, as they are kept."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from adapters.sql.providers import SqlProviders
from trading.market.providers import REMEMBERED, ProviderAnswer

NOON = datetime(2024, 3, 15, 12, tzinfo=UTC)
ANSWER = ProviderAnswer(
    provider="acme", answered_at=NOON, asked=3, given=1, failed=2, seconds=0.25, text="503", stale=1, disagreed=2
)


def test_the_last_answers_of_a_provider_come_back_in_their_order(engine):
    providers = SqlProviders(engine)
    answers = [replace(ANSWER, answered_at=NOON + timedelta(minutes=n)) for n in range(REMEMBERED + 5)]
    for answer in answers:
        providers.add(answer)
    providers.add(replace(ANSWER, provider="other"))

    assert providers.lately("acme") == tuple(answers[5:])
    assert providers.lately("other") == (replace(ANSWER, provider="other"),)
    assert providers.lately("nobody") == ()
    assert providers.names() == ("acme", "other")
