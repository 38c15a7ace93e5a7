"""The terms of a paper account: what it starts with, what trading costs and how orders fill."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from trading.money import to_cents
from trading.risk.form_fields import FormDecimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSettings:
    """How the paper broker treats one account; the commission is the fixed pricing of Interactive Brokers."""

    starting_cash: Annotated[
        FormDecimal, Field(ge=0, description="Deposited when the account is first seen, in its currency.")
    ] = Decimal(1_000_000)
    currency: Annotated[
        str, Field(pattern="^[A-Z]{3}$", description="ISO 4217 code; instruments of another one are rejected.")
    ] = "USD"
    seed: Annotated[int, Field(description="Chooses how fills are cut into executions.")] = 0
    spread_bp: Annotated[
        FormDecimal,
        Field(ge=0, lt=10_000, description="Bid to ask, in basis points; market and stop orders pay half of it."),
    ] = Decimal(2)
    slippage_bp: Annotated[
        FormDecimal,
        Field(ge=0, lt=5_000, description="Paid by market and stop orders beyond half the spread, in basis points."),
    ] = Decimal(1)
    delay_seconds: Annotated[
        float, Field(ge=0, le=3600, description="From our sending to the exchange, and from the open to the report.")
    ] = 1.0
    max_participation_pct: Annotated[
        FormDecimal,
        Field(gt=0, le=100, description="Most of a session's volume that the account trades, in per cent."),
    ] = Decimal(10)
    fill_slices: Annotated[int, Field(ge=1, le=1000, description="Most executions that one fill is cut into.")] = 1
    commission_per_share: Annotated[FormDecimal, Field(ge=0, description="Commission for one unit.")] = Decimal("0.005")
    commission_minimum: Annotated[
        FormDecimal, Field(ge=0, description="Least commission of an order in a session.")
    ] = Decimal("1.00")
    commission_max_pct: Annotated[
        FormDecimal,
        Field(ge=0, le=100, description="Most commission, in per cent of the value traded; goes before the minimum."),
    ] = Decimal("1.0")
    poll_seconds: Annotated[
        float, Field(gt=0, le=86_400, description="How soon to ask again for a bar that the source did not have.")
    ] = 60.0

    def commission(self, qty: Decimal, value: Decimal) -> Decimal:
        """Return the commission on what one order has traded in one session, to the cent.

        1,000 shares for 25,000 cost 5.00, 100 for 2,500 cost 1.00, 1,000 for 250 cost 2.50.

        Source: Interactive Brokers, Commissions Stocks, United States, Fixed, without the fees passed through
        (interactivebrokers.co.uk/en/pricing/commissions-stocks.php). An order that persists overnight counts as a new
        one for the minimum.
        """
        least = max(qty * self.commission_per_share, self.commission_minimum)
        return to_cents(min(least, value * self.commission_max_pct / 100))
