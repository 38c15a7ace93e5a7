"""What a server is started with."""

from pydantic import BaseModel, ConfigDict, Field

HOST = "127.0.0.1"
SYMBOLS = ("AAPL", "AMZN", "BAC", "GOOG", "IBM", "MSFT", "QQQ", "SPY", "@ES#", "QCL#")


class ServerSettings(BaseModel):
    """What a server is started with.

    Attributes:
        port_level1: 0 takes a free one, for each of the four.
        seed: of all prices, sizes and headlines.
        symbols: those it knows; those that begin with `@` or `Q` and end with `#` are futures, the others stocks.
        symbol_limit: symbols that one client may watch on level 1, or on level 2.
        delay_minutes: told with every quote; 0 is live.
        updates_per_second: quotes that move by themselves; 0 leaves it to the levers.
        protocol: the newest that it speaks.
        end_after_error: a lookup that failed is ended with `!ENDMSG!` too; recordings of the real one disagree.
        stamp_seconds: between two time stamps on a stream, and two statistics on the admin port.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    port_level1: int = Field(default=5009, ge=0, le=65535)
    port_level2: int = Field(default=9200, ge=0, le=65535)
    port_lookup: int = Field(default=9100, ge=0, le=65535)
    port_admin: int = Field(default=9300, ge=0, le=65535)
    seed: int = 0
    symbols: tuple[str, ...] = SYMBOLS
    symbol_limit: int = Field(default=500, ge=0)
    delay_minutes: int = Field(default=0, ge=0)
    updates_per_second: float = Field(default=0.0, ge=0, le=10_000)
    protocol: str = "6.2"
    end_after_error: bool = True
    stamp_seconds: float = Field(default=1.0, gt=0)
