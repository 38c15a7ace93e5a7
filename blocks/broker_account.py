"""Which account is traded, at which broker, under which limits."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from prefect.blocks.core import Block
from pydantic import Field, model_validator

from adapters.paper.broker import PaperBroker
from adapters.paper.paper_settings import PaperSettings
from blocks.bar_source import BarSource
from blocks.risk_limits import RiskLimitsBlock
from trading.broker import Broker
from trading.errors import InvalidValue
from trading.market import bars


class Mode(StrEnum):
    """What is done with orders: decide only, simulate, or trade with money."""

    SHADOW = "shadow"
    PAPER = "paper"
    LIVE = "live"


class BrokerKind(StrEnum):
    """The brokers there are."""

    PAPER = "paper"


class BrokerAccount(Block):
    """One account: its broker, the bars it is decided and valued by, its limits."""

    _block_type_name = "Openbell Broker Account"
    _block_type_slug = "openbell-broker-account"
    _description = "An account at a broker, with its limits."

    account: str = Field(description="The account's name at the broker and in the ledger.", min_length=1)
    broker_kind: BrokerKind = Field(default=BrokerKind.PAPER, description="The built-in paper broker.")
    mode: Mode = Field(
        default=Mode.PAPER,
        description="shadow: decide and record, send nothing; paper: simulated money; live: real money.",
    )
    bar_source: BarSource = Field(description="Whose bars decide and value this account.")
    risk_limits: RiskLimitsBlock = Field(
        default_factory=RiskLimitsBlock, description="Limits that every order of this account passes."
    )
    paper: PaperSettings = Field(default_factory=PaperSettings, description="How the built-in paper broker fills.")

    @model_validator(mode="after")
    def _refuse_live(self) -> "BrokerAccount":
        if self.mode is Mode.LIVE and self.broker_kind is BrokerKind.PAPER:
            raise ValueError("mode is 'live', but the built-in paper broker has no real money; use 'paper' or 'shadow'")
        return self

    @property
    def is_simulated(self) -> bool:
        """Tell whether the broker's clock can be set, so that past sessions can be rehearsed."""
        return self.broker_kind is BrokerKind.PAPER

    def broker(self, engine: sa.Engine, market: bars.BarSource, now: Callable[[], datetime]) -> Broker:
        """Return the adapter.

        Raises:
            InvalidValue: adjusted prices were given to a broker that trades raw ones.
        """
        if not self.is_simulated and self.bar_source.price_basis is not bars.PriceBasis.RAW:
            raise InvalidValue(
                f"price_basis of {self.bar_source.name}", self.bar_source.price_basis, "raw, to trade by it"
            )
        return PaperBroker(engine, account=self.account, market=market, settings=self.paper, now=now)
