"""Answers of providers in SQL."""

from dataclasses import asdict

import sqlalchemy as sa

from adapters.sql.engine import reading, writing
from adapters.sql.market_tables import ProviderAnswerRow
from adapters.sql.rows import table_of
from trading.market.providers import REMEMBERED, ProviderAnswer

ANSWER = table_of(ProviderAnswerRow)


class SqlProviders:
    """The trails of all providers of one ledger; see `trading.market.providers.ProviderTrail`."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def add(self, answer: ProviderAnswer) -> None:
        """Keep an answer."""
        with writing(self._engine) as connection:
            connection.execute(sa.insert(ANSWER).values(**asdict(answer)))

    def lately(self, provider: str) -> tuple[ProviderAnswer, ...]:
        """Return its last REMEMBERED answers, oldest first."""
        newest = sa.select(ANSWER).where(ANSWER.c.provider == provider).order_by(ANSWER.c.id.desc()).limit(REMEMBERED)
        with reading(self._engine) as connection:
            rows = connection.execute(newest).all()
        return tuple(
            ProviderAnswer(**{name: value for name, value in row._mapping.items() if name != "id"})
            for row in reversed(rows)
        )

    def names(self) -> tuple[str, ...]:
        """Return the providers that were ever asked, by name."""
        names = sa.select(ANSWER.c.provider).distinct().order_by(ANSWER.c.provider)
        with reading(self._engine) as connection:
            return tuple(connection.execute(names).scalars())
