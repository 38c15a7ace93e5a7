"""The client library, chosen by name; one code path for both.

Only the lower half of it is used: its `Client` (socket, framing, encoder, decoder) and its value classes. The upper
half, `IB` with its `Trade` objects, guesses: it marks live orders canceled on harmless messages and keeps state that
the server never sent.
"""

import asyncio
import logging
import re
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from trading.errors import InvalidValue

_ACCOUNT = re.compile(r"\b(D?[UFI])\d{4,}(?=\d{2}\b)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """What is used of the library.

    Attributes:
        newest_version: the highest protocol version that its decoder reads.
    """

    name: str
    version: str
    oldest_version: int
    newest_version: int
    client: Any
    contract: Any
    combo_leg: Any
    order: Any
    tag_value: Any
    price_condition: Any
    time_condition: Any
    execution_filter: Any


async def load_library(name: str) -> Library:
    """Import the library; a coroutine, since ib_insync can be imported only where an event loop runs.

    Raises:
        InvalidValue: it is not installed.
    """
    asyncio.get_running_loop()
    try:
        module = import_module(name)
    except ModuleNotFoundError as exc:
        extra = name.replace("_", "-").replace("ib-async", "ib")
        raise InvalidValue("library", name, f"installed: install openbell with its extra `{extra}`") from exc
    _hush(name)
    return Library(
        name=name,
        version=module.__version__,
        oldest_version=module.Client.MinClientVersion,
        newest_version=module.Client.MaxClientVersion,
        client=module.Client,
        contract=module.Contract,
        combo_leg=module.ComboLeg,
        order=module.Order,
        tag_value=module.TagValue,
        price_condition=module.PriceCondition,
        time_condition=module.TimeCondition,
        execution_filter=module.ExecutionFilter,
    )


class _MaskAccounts(logging.Filter):
    """Leave the last two digits of account numbers: raw messages are logged when they cannot be read."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _ACCOUNT.sub(r"\1***", record.getMessage()), ()
        return True


def _hush(name: str) -> None:
    for part in ("client", "Decoder"):
        logger = logging.getLogger(f"{name}.{part}")
        if not any(isinstance(f, _MaskAccounts) for f in logger.filters):
            logger.addFilter(_MaskAccounts())
    # Its errors are told by ours, with what to do about them.
    logging.getLogger(f"{name}.client").setLevel(logging.CRITICAL)
