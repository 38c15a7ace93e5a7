"""Where IQConnect listens, and how long it is waited for."""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

NAME = "iqfeed"
PROTOCOL = "6.2"

PortNumber = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=3600)]


@dataclass(frozen=True, slots=True, kw_only=True)
class IqfeedSettings:
    """One IQConnect, which holds the login itself, and the patience with it."""

    host: Annotated[str, Field(min_length=1, description="Where IQConnect runs; it listens on loopback only.")] = (
        "127.0.0.1"
    )
    level1_port: Annotated[PortNumber, Field(description="Quotes.")] = 5009
    level2_port: Annotated[PortNumber, Field(description="Order books.")] = 9200
    lookup_port: Annotated[PortNumber, Field(description="History and headlines.")] = 9100
    admin_port: Annotated[PortNumber, Field(description="Whether IQConnect is connected to DTN.")] = 9300
    answer_seconds: Annotated[Seconds, Field(description="How long an answer, or the next line of one, may take.")] = 10
    silent_seconds: Annotated[
        Seconds, Field(description="A stream that says nothing for so long, not even the time, is connected anew.")
    ] = 30
    retry_seconds: Annotated[
        Seconds, Field(description="Before a lost stream is connected anew; doubled each time up to a minute.")
    ] = 1
