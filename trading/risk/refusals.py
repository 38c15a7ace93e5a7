"""Refusals: why the gate says no, by stable codes, and the page that explains each."""

import sys
from enum import StrEnum
from typing import NamedTuple


class RefusalCode(StrEnum):
    """Why an order was refused or made smaller; these words never change their meaning."""

    HALTED = "HALTED"
    BREAKER_HALTED = "BREAKER_HALTED"
    BREAKER_BLOCKED = "BREAKER_BLOCKED"
    BREAKER_CLOSE_ONLY = "BREAKER_CLOSE_ONLY"
    BREAKER_REDUCED = "BREAKER_REDUCED"
    SYMBOL_BLOCKED = "SYMBOL_BLOCKED"
    SYMBOL_NOT_ALLOWED = "SYMBOL_NOT_ALLOWED"
    SYMBOL_LOCKED = "SYMBOL_LOCKED"
    BARS_NOT_PASSED = "BARS_NOT_PASSED"
    SCOPE_BLOCKED = "SCOPE_BLOCKED"
    OUTSIDE_HOURS = "OUTSIDE_HOURS"
    FLATTEN_ONLY_CLOSES = "FLATTEN_ONLY_CLOSES"
    PROTECT_ONLY_CLOSES = "PROTECT_ONLY_CLOSES"
    NO_PRICE = "NO_PRICE"
    NO_QUOTE = "NO_QUOTE"
    NO_FACTS = "NO_FACTS"
    PRICE_BAND = "PRICE_BAND"
    MAX_SPREAD = "MAX_SPREAD"
    MAX_QUOTE_AGE = "MAX_QUOTE_AGE"
    MAX_ORDER_NOTIONAL = "MAX_ORDER_NOTIONAL"
    MAX_ORDER_QTY = "MAX_ORDER_QTY"
    MAX_ORDER_VOLATILITY = "MAX_ORDER_VOLATILITY"
    MAX_PARTICIPATION = "MAX_PARTICIPATION"
    SCOPE_MAX_ORDER_NOTIONAL = "SCOPE_MAX_ORDER_NOTIONAL"
    MAX_ORDERS_PER_DAY = "MAX_ORDERS_PER_DAY"
    MAX_ORDERS_PER_MINUTE = "MAX_ORDERS_PER_MINUTE"
    SCOPE_MAX_ORDERS_PER_DAY = "SCOPE_MAX_ORDERS_PER_DAY"
    MAX_NOTIONAL_PER_DAY = "MAX_NOTIONAL_PER_DAY"
    MAX_TURNOVER_PER_DAY = "MAX_TURNOVER_PER_DAY"
    MAX_DAY_TRADES = "MAX_DAY_TRADES"
    CLOSE_ONLY = "CLOSE_ONLY"
    SCOPE_CLOSE_ONLY = "SCOPE_CLOSE_ONLY"
    SHORT_SALE = "SHORT_SALE"
    UNCOVERED_SHORT = "UNCOVERED_SHORT"
    MARKET_VOLATILITY = "MARKET_VOLATILITY"
    MAX_POSITION_QTY = "MAX_POSITION_QTY"
    MAX_POSITION_NOTIONAL = "MAX_POSITION_NOTIONAL"
    MAX_POSITION_PCT = "MAX_POSITION_PCT"
    SCOPE_MAX_NOTIONAL = "SCOPE_MAX_NOTIONAL"
    SCOPE_MAX_PCT = "SCOPE_MAX_PCT"
    MAX_CLUSTER_PCT = "MAX_CLUSTER_PCT"
    MAX_GROSS_LEVERAGE = "MAX_GROSS_LEVERAGE"
    MAX_NET_LEVERAGE = "MAX_NET_LEVERAGE"
    BUYING_POWER = "BUYING_POWER"
    MAX_MARGIN = "MAX_MARGIN"
    NOT_MEASURED = "NOT_MEASURED"
    MAX_VAR = "MAX_VAR"
    MAX_EXPECTED_SHORTFALL = "MAX_EXPECTED_SHORTFALL"
    MAX_STRESS_LOSS = "MAX_STRESS_LOSS"
    MAX_DRAWDOWN = "MAX_DRAWDOWN"
    MAX_BETA = "MAX_BETA"
    MAX_LIQUIDITY_DAYS = "MAX_LIQUIDITY_DAYS"
    MAX_DELTA = "MAX_DELTA"
    MAX_GAMMA = "MAX_GAMMA"
    MAX_VEGA = "MAX_VEGA"


class Explanation(NamedTuple):
    """What a person should know of one code.

    Attributes:
        limit: the setting behind it; of RiskLimits where nothing else is said.
        remedy: the way out.
    """

    meaning: str
    limit: str
    remedy: str


_WAIT = "Wait, or change the limit."
_SMALLER = "Make it smaller, or change the limit."
_LESS = "Close something first, or change the limit."


def explain(code: RefusalCode) -> Explanation:
    """Return what the code means, which setting it comes from and what to do."""
    return Explanation(*_explanation(code))


def _explanation(code: RefusalCode) -> tuple[str, str, str]:
    for part in (_of_permission, _of_orders, _of_days, _of_exposure, _of_measures):
        found = part().get(code)
        if found is not None:
            return found
    raise KeyError(code)


def _of_permission() -> dict[RefusalCode, tuple[str, str, str]]:
    c = RefusalCode
    reset = "`openbell breakers` says what tripped and why; it is reset by its rule or by `openbell reset`."
    only = "Send it as an order of the strategy, or only as much as closes what is held."
    return {
        c.HALTED: ("Trading is stopped.", "`openbell stop`, the STOP file", "`openbell resume --reason TEXT`."),
        c.BREAKER_HALTED: ("A tripped breaker has halted what the order is about.", "the breaker", reset),
        c.BREAKER_BLOCKED: ("A tripped breaker lets it be neither bought nor sold.", "the breaker", reset),
        c.BREAKER_CLOSE_ONLY: ("A tripped breaker lets positions only be closed.", "the breaker", reset),
        c.BREAKER_REDUCED: ("A tripped breaker has cut the quantity, perhaps to nothing.", "the breaker", reset),
        c.SYMBOL_BLOCKED: ("The symbol may not be traded.", "`blocked_symbols`", "Take it off the list."),
        c.SYMBOL_NOT_ALLOWED: ("The symbol is not on the list.", "`allowed_symbols`", "Put it on the list."),
        c.SYMBOL_LOCKED: (
            "What became of an earlier order in the symbol is unknown.",
            "none",
            "Find it at the broker, and run the session again.",
        ),
        c.BARS_NOT_PASSED: (
            "The bars of the symbol did not pass their checks, or a break locks it.",
            "none",
            "Read the quality report; `openbell clear` clears a break.",
        ),
        c.SCOPE_BLOCKED: ("Its book, symbol, sector or asset class is blocked.", "`scopes`: `blocked`", "Lift it."),
        c.OUTSIDE_HOURS: (
            "It could be sent or filled outside the regular session.",
            "`trading_hours_only`",
            "Let it expire by the close, without outside_regular_hours.",
        ),
        c.FLATTEN_ONLY_CLOSES: ("An order to flatten would do more than close what is held.", "none", only),
        c.PROTECT_ONLY_CLOSES: ("A protective order would do more than close what is held.", "none", only),
    }


def _of_orders() -> dict[RefusalCode, tuple[str, str, str]]:
    c = RefusalCode
    return {
        c.NO_PRICE: ("There is no last price to value it, or what is held, by.", "none", "Mend the symbol's bars."),
        c.NO_QUOTE: (
            "A limit on quotes is set, and no quote to hold against it: two-sided and, for its age, with a time.",
            "`max_spread_pct`, `max_quote_age_seconds`",
            "Name a market feed in `feed` of trade-session, do what the text says of it, or leave the limit out.",
        ),
        c.NO_FACTS: (
            "A limit needs a number that is not known: volume, volatility, correlation, margin or hours.",
            "the one that the text names",
            "Store more bars of the symbol, or leave the limit out.",
        ),
        c.PRICE_BAND: ("Limit or stop price lies far from the last price.", "`price_band_pct`", "Mend the price."),
        c.MAX_SPREAD: ("Bid and ask lie far apart.", "`max_spread_pct`", _WAIT),
        c.MAX_QUOTE_AGE: ("The quote is old.", "`max_quote_age_seconds`", "Ask for a new one."),
        c.MAX_ORDER_NOTIONAL: ("The order is worth too much.", "`max_order_notional`", _SMALLER),
        c.MAX_ORDER_QTY: ("The order has too many units.", "`max_order_qty`", _SMALLER),
        c.MAX_ORDER_VOLATILITY: (
            "A usual day's move of what is ordered is too large a part of equity.",
            "`max_order_volatility_pct`",
            _SMALLER,
        ),
        c.MAX_PARTICIPATION: (
            "The session's orders in the symbol are too large a part of its average volume.",
            "`max_participation_pct`",
            "Spread it over several sessions, or change the limit.",
        ),
        c.SCOPE_MAX_ORDER_NOTIONAL: (
            "The order is worth too much for its book, symbol, sector or asset class.",
            "`scopes`: `max_order_notional`",
            _SMALLER,
        ),
    }


def _of_days() -> dict[RefusalCode, tuple[str, str, str]]:
    c = RefusalCode
    tomorrow = "Wait for the next session, or change the limit."
    return {
        c.MAX_ORDERS_PER_DAY: ("The session has had its number of orders.", "`max_orders_per_day`", tomorrow),
        c.MAX_ORDERS_PER_MINUTE: ("Too many orders within a minute.", "`max_orders_per_minute`", _WAIT),
        c.SCOPE_MAX_ORDERS_PER_DAY: (
            "Its book, symbol, sector or asset class has had its number of orders.",
            "`scopes`: `max_orders_per_day`",
            tomorrow,
        ),
        c.MAX_NOTIONAL_PER_DAY: ("The session's orders are worth too much.", "`max_notional_per_day`", tomorrow),
        c.MAX_TURNOVER_PER_DAY: (
            "The session's orders are too large a part of equity.",
            "`max_turnover_per_day_pct`",
            tomorrow,
        ),
        c.MAX_DAY_TRADES: (
            "It could close on the day what was opened on it, once too often in five sessions.",
            "`max_day_trades`",
            "Close it in the next session, or change the limit.",
        ),
    }


def _of_exposure() -> dict[RefusalCode, tuple[str, str, str]]:
    c = RefusalCode
    return {
        c.CLOSE_ONLY: ("Positions may only be closed.", "`close_only`", "Switch it off."),
        c.SCOPE_CLOSE_ONLY: (
            "Positions of its book, symbol, sector or asset class may only be closed.",
            "`scopes`: `close_only`",
            "Switch it off.",
        ),
        c.SHORT_SALE: ("It could sell more than is held.", "`short_sales_allowed`", "Sell what is held, or allow it."),
        c.UNCOVERED_SHORT: (
            "A short call could lack its shares, or a short put its cash.",
            "`uncovered_shorts_allowed`",
            "Hold the shares or the cash first, or allow it.",
        ),
        c.MARKET_VOLATILITY: ("The market moves too much to add anything.", "`max_market_volatility_pct`", _WAIT),
        c.MAX_POSITION_QTY: ("The position could have too many units.", "`max_position_qty`", _LESS),
        c.MAX_POSITION_NOTIONAL: ("The position could be worth too much.", "`max_position_notional`", _LESS),
        c.MAX_POSITION_PCT: ("The position could be too large a part of equity.", "`max_position_pct`", _LESS),
        c.SCOPE_MAX_NOTIONAL: (
            "Positions of its book, symbol, sector or asset class could be worth too much.",
            "`scopes`: `max_notional`",
            _LESS,
        ),
        c.SCOPE_MAX_PCT: (
            "Positions of its book, symbol, sector or asset class could be too large a part of equity.",
            "`scopes`: `max_pct`",
            _LESS,
        ),
        c.MAX_CLUSTER_PCT: (
            "The symbol and those that move with it could be too large a part of equity.",
            "`max_cluster_pct`, `cluster_correlation`",
            _LESS,
        ),
        c.MAX_GROSS_LEVERAGE: ("All positions could be too large a multiple of equity.", "`max_gross_leverage`", _LESS),
        c.MAX_NET_LEVERAGE: ("Long less short could be too large a multiple of equity.", "`max_net_leverage`", _LESS),
        c.BUYING_POWER: ("There is not enough buying power.", "`buying_power_multiple`", _LESS),
        c.MAX_MARGIN: ("Margin could be too large a part of equity.", "`max_margin_pct`, `margin_rate_pct`", _LESS),
    }


def _of_measures() -> dict[RefusalCode, tuple[str, str, str]]:
    c = RefusalCode
    names = {
        c.MAX_VAR: ("Value at risk", "max_var_pct"),
        c.MAX_EXPECTED_SHORTFALL: ("Expected shortfall", "max_expected_shortfall_pct"),
        c.MAX_STRESS_LOSS: ("The loss in a stress scenario", "max_stress_loss_pct"),
        c.MAX_DRAWDOWN: ("The fall of equity from its peak", "max_drawdown_pct"),
        c.MAX_BETA: ("Beta to the benchmark", "max_beta"),
        c.MAX_LIQUIDITY_DAYS: ("The time to sell the position", "max_liquidity_days"),
        c.MAX_DELTA: ("Net delta", "max_delta"),
        c.MAX_GAMMA: ("Net gamma", "max_gamma"),
        c.MAX_VEGA: ("Net vega", "max_vega"),
    }
    told = {
        code: (f"{name} would be beyond its limit.", f"measures: `{limit}`", _LESS)
        for code, (name, limit) in names.items()
    }
    unmeasured = (
        "What it adds to cannot be measured.",
        "measures",
        "Store more bars of the symbol or the benchmark, or take fewer `history_sessions` or another `benchmark`.",
    )
    return told | {c.NOT_MEASURED: unmeasured}


def refusals_page() -> str:
    """Return `docs/refusals.md`; `python -m trading.risk.refusals` prints it."""
    lines = [
        "# Refusals",
        "",
        "Every order passes one gate before it is recorded. The gate accepts it, makes it smaller where",
        "`reduce_to_fit` or a tripped breaker says so, or refuses it. Each refusal bears one of these codes, the",
        "limit, and the value before and after the order; `openbell explain CL_ORD_ID` shows it. The limits are",
        "fields of the block *Openbell Risk Limits*.",
        "",
        "What only closes a position passes every limit on what is held. This page is made from the code:",
        "`python -m trading.risk.refusals > docs/refusals.md`.",
        "",
        "| code | meaning | limit | what to do |",
        "| --- | --- | --- | --- |",
    ]
    rows = (f"| `{code}` | {' | '.join(explain(code))} |" for code in RefusalCode)
    return "\n".join([*lines, *rows]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(refusals_page())
