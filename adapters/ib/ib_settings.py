"""How a TWS or IB Gateway is reached, and how long it is waited for."""

from datetime import datetime, time, timedelta
from enum import IntEnum
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field
from pydantic.dataclasses import dataclass

from adapters.ib.error_codes import ErrorClass


class Role(IntEnum):
    """What a session is for; its client id is the base and this number, so that each role finds its own again."""

    TRADER = 0
    READER = 1
    STOPPER = 2
    DATA = 3


def _text(description: str, default: str = "") -> Any:
    return Field(default=default, description=description)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractTerms:
    """How IB names an instrument, where its symbol alone does not; unset fields are left open."""

    con_id: int | None = Field(default=None, description="IB's own number, enough by itself.")
    symbol: str = _text("IB's symbol of the instrument, or of what is under it.")
    sec_type: Literal["STK", "OPT", "FUT", "CASH", "IND"] = Field(
        default="STK", description="STK: shares and funds; OPT: options; FUT: futures; CASH: currencies; IND: indices."
    )
    exchange: str = _text("Where it is traded; SMART lets IB choose.", "SMART")
    primary_exchange: str = _text("Where it is listed, such as NASDAQ.")
    currency: str = _text("ISO 4217 code; empty: the account's.")
    local_symbol: str = _text("The exchange's own symbol, such as ESZ6.")
    last_trade_date: str = _text("yyyymmdd, or yyyymm; options and futures.")
    multiplier: str = _text("Units of one contract.")
    trading_class: str = _text("Tells apart what shares all other terms.")


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceWindow:
    """A time each day in which nothing new is sent, since IB resets itself."""

    starts: time = Field(description="Time of day at which it opens.")
    ends: time = Field(description="Time of day at which it closes; before `starts` when it reaches over midnight.")
    zone: str = Field(default="America/New_York", description="Time zone of both.")

    def holds(self, at: datetime) -> bool:
        """Tell whether the window is open then."""
        clock = at.astimezone(ZoneInfo(self.zone)).time()
        if self.starts <= self.ends:
            return self.starts <= clock < self.ends
        return clock >= self.starts or clock < self.ends

    def seconds_to_edge(self, at: datetime) -> float:
        """Return how long until the window next opens or closes."""
        local = at.astimezone(ZoneInfo(self.zone))
        edges = [local.replace(hour=t.hour, minute=t.minute, second=t.second) for t in (self.starts, self.ends)]
        waits = [(edge - local).total_seconds() for edge in edges]
        return min(wait if wait > 0 else wait + timedelta(days=1).total_seconds() for wait in waits)


Seconds = Annotated[float, Field(gt=0, le=3600)]


@dataclass(frozen=True, slots=True, kw_only=True)
class IbSettings:
    """One TWS or IB Gateway, and the patience with it."""

    host: Annotated[str, Field(min_length=1, description="Where TWS or IB Gateway runs.")] = "127.0.0.1"
    port: Annotated[
        int, Field(ge=1, le=65535, description="Paper: TWS 7497, Gateway 4002. Live: TWS 7496, Gateway 4001.")
    ] = 4002
    client_id: Annotated[
        int, Field(ge=1, le=990, description="The trader's; the next three belong to reader, stopper and data.")
    ] = 10
    library: Annotated[
        Literal["ib_async", "ib_insync"], Field(description="The client library; ib_insync is the one of old.")
    ] = "ib_async"
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$", description="ISO 4217 code that the account keeps.")] = "USD"
    time_zone: Annotated[str, Field(description="Zone of TWS's own clock, for builds that give times without one.")] = (
        "America/New_York"
    )
    connect_seconds: Annotated[Seconds, Field(description="For the socket and the login together.")] = 10.0
    ask_seconds: Annotated[Seconds, Field(description="For the end of each question.")] = 15.0
    answer_seconds: Annotated[Seconds, Field(description="For the first answer to an order, change or cancel.")] = 10.0
    commission_seconds: Annotated[
        Seconds, Field(description="How long an execution waits for its commission; it comes as a correction later.")
    ] = 2.0
    ask_again_seconds: Annotated[
        float, Field(ge=0, le=3600, description="Reports are asked for in full again when the last time is this old.")
    ] = 30.0
    backoff_first_seconds: Annotated[Seconds, Field(description="Before the first attempt to reconnect.")] = 0.5
    backoff_most_seconds: Annotated[Seconds, Field(description="Before any later one.")] = 60.0
    messages_per_second: Annotated[
        int, Field(ge=3, le=50, description="Sent at most by all processes of the desk together; IB allows 50.")
    ] = 45
    quote_lines: Annotated[int, Field(ge=1, le=10_000, description="Market data lines that the user has.")] = 100
    maintenance: Annotated[
        tuple[MaintenanceWindow, ...], Field(description="Times of day in which nothing new is sent.")
    ] = ()
    error_codes: Annotated[
        dict[int, ErrorClass], Field(description="Classes of IB's error codes that go before the built-in ones.")
    ] = Field(default_factory=dict)
    contracts: Annotated[
        dict[str, ContractTerms], Field(description="How IB names symbols that need more than their name.")
    ] = Field(default_factory=dict)

    def client_id_of(self, role: Role) -> int:
        """Return the client id of a role."""
        return self.client_id + role

    def maintenance_at(self, at: datetime) -> MaintenanceWindow | None:
        """Return the window that is open then, if any."""
        return next((window for window in self.maintenance if window.holds(at)), None)
