"""Which account is traded, at which broker, under which limits."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from prefect.blocks.core import Block
from pydantic import Field, model_validator

from adapters.ib.broker import IbBroker
from adapters.ib.budget import gateway_budget
from adapters.ib.guard import require_matching_mode
from adapters.ib.ib_settings import IbSettings, Role
from adapters.ib.session_states import SessionTransition
from adapters.paper.broker import PaperBroker
from adapters.paper.paper_settings import PaperSettings
from blocks.bar_source import BarSource
from blocks.risk_limits import RiskLimitsBlock
from trading.broker import Broker, MarginPreview
from trading.errors import InvalidValue
from trading.market import bars
from trading.risk.approvals import ApprovalRules


class Mode(StrEnum):
    """What is done with orders: decide only, simulate, or trade with money."""

    SHADOW = "shadow"
    PAPER = "paper"
    LIVE = "live"


class BrokerKind(StrEnum):
    """The brokers there are."""

    PAPER = "paper"
    INTERACTIVE_BROKERS = "interactive_brokers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a broker is given by the desk it works for.

    Attributes:
        engine: the ledger's database, in which adapters keep tables of their own.
        market: the account's bars.
        on_transition: is told every change of state of a session.
    """

    engine: sa.Engine
    market: bars.BarSource
    on_transition: Callable[[SessionTransition], None]


class BrokerAccount(Block):
    """One account: its broker, the bars it is decided and valued by, its limits."""

    _block_type_name = "Openbell Broker Account"
    _block_type_slug = "openbell-broker-account"
    _description = "An account at a broker, with its limits."

    account: str = Field(description="The account's name at the broker and in the ledger.", min_length=1)
    broker_kind: BrokerKind = Field(
        default=BrokerKind.PAPER,
        description="paper: the built-in paper broker; interactive_brokers: TWS or IB Gateway.",
    )
    mode: Mode = Field(
        default=Mode.PAPER,
        description="shadow: decide and record, send nothing; paper: simulated money; live: real money.",
    )
    bar_source: BarSource = Field(description="Whose bars decide and value this account.")
    risk_limits: RiskLimitsBlock = Field(
        default_factory=RiskLimitsBlock, description="Limits that every order of this account passes."
    )
    approval: ApprovalRules = Field(
        default_factory=ApprovalRules, description="When a person must approve the orders before they are sent."
    )
    paper: PaperSettings = Field(default_factory=PaperSettings, description="How the built-in paper broker fills.")
    ib: IbSettings = Field(default_factory=IbSettings, description="Where TWS or IB Gateway is.")

    @model_validator(mode="after")
    def _refuse_wrong_mode(self) -> "BrokerAccount":
        if self.is_simulated:
            if self.mode is Mode.LIVE:
                raise ValueError(
                    "mode is 'live', but the built-in paper broker has no real money; use 'paper' or 'shadow'"
                )
        elif self.mode is not Mode.SHADOW:
            try:
                require_matching_mode(self.mode is Mode.LIVE, self.ib.port, self.account)
            except InvalidValue as exc:
                raise ValueError(str(exc)) from exc
        return self

    @property
    def is_simulated(self) -> bool:
        """Tell whether the broker's clock can be set, so that past sessions can be rehearsed."""
        return self.broker_kind is BrokerKind.PAPER

    @property
    def currency(self) -> str:
        """Return the currency that the account keeps."""
        return self.paper.currency if self.is_simulated else self.ib.currency

    def broker(self, around: Surroundings, now: Callable[[], datetime], role: Role) -> Broker:
        """Return the adapter.

        Args:
            role: what it is wanted for; only a trader sends and changes orders.

        Raises:
            InvalidValue: adjusted prices were given to a broker that trades raw ones.
        """
        if self.is_simulated:
            return PaperBroker(around.engine, account=self.account, market=around.market, settings=self.paper, now=now)
        return self._ib_broker(around, now, role)

    def margin_preview(self, around: Surroundings, now: Callable[[], datetime], role: Role) -> MarginPreview | None:
        """Return the adapter where the broker tells margin before there is an order; the paper broker asks none.

        Raises:
            InvalidValue: as above.
        """
        return None if self.is_simulated else self._ib_broker(around, now, role)

    def _ib_broker(self, around: Surroundings, now: Callable[[], datetime], role: Role) -> IbBroker:
        if (basis := self.bar_source.basis) is not bars.PriceBasis.RAW:
            raise InvalidValue(f"price_basis of {self.bar_source.name}", basis, "raw, to trade by it")
        return IbBroker(
            around.engine,
            account=self.account,
            settings=self.ib,
            now=now,
            role=role,
            budget=gateway_budget(self.ib),
            on_transition=around.on_transition,
        )
