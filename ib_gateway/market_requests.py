"""Every request about the market, by its message id."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

from ib_gateway.client import Client
from ib_gateway.market_bar_requests import (
    cancel_head_timestamp,
    cancel_history,
    head_timestamp,
    historical_bars,
)
from ib_gateway.market_contract_requests import contract_details, market_rule, matching_symbols, option_chain
from ib_gateway.market_depth_requests import cancel_market_depth, market_depth
from ib_gateway.market_five_seconds import cancel_five_second_bars, five_second_bars
from ib_gateway.market_line_requests import cancel_market_data, market_data, market_data_type
from ib_gateway.market_tick_requests import cancel_tick_by_tick, tick_by_tick
from ib_gateway.wire import Reader

Handler = Callable[[Client, Reader], Awaitable[None]]

HANDLERS: Final[Mapping[int, Handler]] = MappingProxyType(
    {
        1: market_data,
        2: cancel_market_data,
        9: contract_details,
        10: market_depth,
        11: cancel_market_depth,
        20: historical_bars,
        25: cancel_history,
        50: five_second_bars,
        51: cancel_five_second_bars,
        59: market_data_type,
        78: option_chain,
        81: matching_symbols,
        87: head_timestamp,
        90: cancel_head_timestamp,
        91: market_rule,
        97: tick_by_tick,
        98: cancel_tick_by_tick,
    }
)
