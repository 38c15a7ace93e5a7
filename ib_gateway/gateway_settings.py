"""What a gateway is started with."""

from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ib_gateway.wire import NEWEST_VERSION


class GatewayAccount(BaseModel):
    """One account and what is in it when the gateway is first started."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "DU1234567"
    cash: Decimal = Decimal(1_000_000)
    currency: str = "USD"


class GatewaySettings(BaseModel):
    """What a gateway is started with.

    Attributes:
        port: 0 takes a free one.
        seed: of execution ids and prices.
        first_order_id: what a client id that never traded is told to begin with.
        first_perm_id: the broker's own number of the first order.
        fills: `auto` fills against the market as it moves, `manual` only when told to.
        cancels: `auto` confirms at once, `manual` leaves orders in PendingCancel until told to.
        slices: each fill against the market comes in so many pieces.
        slice_seconds: time between them; 0 sends all at once.
        liquidity: units that trade at most per look at the market; None is without limit.
        session: `always_open`, or `regular_hours`: 09:30 to 16:00 New York on weekdays for stocks and options.
        poll_seconds: how often working orders are held against the market; 0 only when a price is set.
        account_seconds: account values and profits follow the fills after this time, once for many.
        commission_per_share: in the contract's currency; times the legs' units for combos.
        commission_minimum: per order.
        commission_first: commission reports are sent before their executions.
        commissions_to_all: asking for executions brings the commissions of other clients' orders too.
        days_of_executions: asking for executions and completed orders brings those since midnight in New York, or of
            so many days (a real Gateway: 1).
        messages_per_second: of one client; what is above is dropped with error 100.
        pacing_strikes: seconds in which the rate was broken before the client is disconnected.
        data_lines: market data subscriptions of all clients.
        history_requests: per 10 minutes, of bars of 30 seconds or less.
        working_orders: per contract, side and account.
        max_clients: sockets at a time.
        supplies_account: a single account is filled in where an order names none.
        master_client_id: the client that sees every client's orders.
        max_server_version: what is announced at most; below 157 no client can stay.
        ledger_prefix: `$LEDGER-` before the keys of values per currency, as newer gateways do.
        wire_log_length: messages that are kept to be looked at.
        forget_order_ids: begin the order ids anew, although the state file knows which were used.
        state_file: orders and executions are kept here and survive the process; None forgets them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = 0
    accounts: tuple[GatewayAccount, ...] = (GatewayAccount(),)
    seed: int = 0
    first_order_id: int = Field(default=1, ge=1)
    first_perm_id: int = Field(default=1_437_000_001, ge=1)
    fills: Literal["auto", "manual"] = "auto"
    cancels: Literal["auto", "manual"] = "auto"
    slices: int = Field(default=1, ge=1)
    slice_seconds: float = Field(default=0.0, ge=0)
    liquidity: Decimal | None = None
    session: Literal["always_open", "regular_hours"] = "always_open"
    poll_seconds: float = Field(default=0.25, ge=0)
    account_seconds: float = Field(default=0.05, ge=0)
    commission_per_share: Decimal = Decimal("0.005")
    commission_minimum: Decimal = Decimal("1.00")
    commission_first: bool = False
    commissions_to_all: bool = True
    days_of_executions: int = Field(default=1, ge=1)
    messages_per_second: int = 50
    pacing_strikes: int = 3
    data_lines: int = 100
    history_requests: int = 60
    working_orders: int = 20
    max_clients: int = 32
    supplies_account: bool = True
    master_client_id: int | None = None
    max_server_version: int = NEWEST_VERSION
    ledger_prefix: bool = False
    wire_log_length: int = Field(default=20_000, ge=0)
    forget_order_ids: bool = False
    state_file: Path | None = None
