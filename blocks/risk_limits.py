"""Risk limits as a saved setting, so that several accounts can share them."""

from prefect.blocks.core import Block
from pydantic import Field

from trading.risk.breakers import BreakerRules
from trading.risk.limits import RiskLimits
from trading.risk.measure_limits import MeasureLimits
from trading.risk.stress import StressScenario


class RiskLimitsBlock(Block):
    """The limits of the one gate before every order. Changing them takes effect with the next run."""

    _block_type_name = "Openbell Risk Limits"
    _block_type_slug = "openbell-risk-limits"
    _description = "Limits that every order passes before it is recorded."

    limits: RiskLimits = Field(default_factory=RiskLimits, description="An order that breaks one of them is refused.")
    measures: MeasureLimits = Field(
        default_factory=MeasureLimits,
        description="Limits on measures of the whole portfolio; likewise. They need stored bars.",
    )
    scenarios: list[StressScenario] = Field(
        default=[], description="Stress scenarios of your own, beside the four that every desk is held against."
    )
    breakers: BreakerRules = Field(
        default_factory=BreakerRules, description="What stops trading, or lowers it, until it is reset."
    )
