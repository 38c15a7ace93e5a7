"""Plans: what is traded in a run, what goes wrong, and where its processes are killed; all of it from one seed."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from benchmarks.kills.lives import Kill, Step
from ib_gateway.gateway_settings import GatewayAccount, GatewaySettings
from ib_gateway.scenarios import Action, Fault, Scenario
from trading.orders.orders import OrdType
from trading.risk.limits import RiskLimits

ACCOUNT = "DU1234567"
SYMBOLS = ("AAPL", "AMD", "BAC", "CVX", "GE", "HD", "JNJ", "KO")
CLOSES = dict(
    zip(
        SYMBOLS, map(Decimal, ("126.04", "62.57", "32.73", "174.00", "66.02", "314.10", "176.66", "63.53")), strict=True
    )
)
CASH = Decimal(1_000_000)
MOST_LIVES = 6

COMMITS = (
    "journal.intend",
    "journal.mark_sending",
    "journal.record",
    "records.add",
    "journal.mark",
    "records.open_account",
    "books.record_cash",
    "books.record_reconciliation",
    "broker_sessions.record",
    "leases.acquire",
    "leases.renew",
    "leases.release",
    "outbox.raise_alert",
)
MESSAGES = (
    *("placeOrder", "openOrder", "orderStatus", "execDetails", "commissionReport", "error", "startApi"),
    *("nextValidId", "managedAccounts", "reqCurrentTime", "currentTime", "reqContractDetails"),
    *("contractDetails", "contractDetailsEnd", "reqMarketRule", "marketRule", "reqAllOpenOrders", "openOrderEnd"),
    *("reqCompletedOrders", "completedOrder", "completedOrdersEnd", "reqExecutions", "execDetailsEnd"),
    *("reqPositions", "position", "positionEnd", "cancelPositions", "reqAccountUpdatesMulti", "accountUpdateMulti"),
    *("accountUpdateMultiEnd", "cancelAccountUpdatesMulti"),
)
"""Every step of `trade_session` at which its process can be killed; the tests look that none is missing."""

_HEART = 5  # the first of each, without which no order comes to the broker, and no fill to the ledger
_ASKED = ("openOrder", "orderStatus", "execDetails", "commissionReport")
_ENDS = ("openOrderEnd", "completedOrdersEnd", "execDetailsEnd", "positionEnd", "accountUpdateMultiEnd")
_FARMS = (2103, 2104, 2105, 2106, 2107, 2108, 2158)
_REJECTS = (201, 103, 110, 10243, 10311, 399)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """An order that a strategy wants: signed units, a type, and how far from the last close its price lies."""

    symbol: str
    qty: int
    ord_type: OrdType
    away: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceMove:
    """The market moves one symbol to so many times its close at that second."""

    at: float
    symbol: str
    times: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All of a run.

    Attributes:
        books: the wishes of each decision; they are traded one after the other.
        starts: seconds before a quarter to ten in New York, when orders are no longer followed.
        kills: of the first lives, one each; None lets a life end by itself.
        rests: seconds between two lives.
    """

    seed: int
    limits: RiskLimits
    books: tuple[tuple[Wish, ...], ...]
    starts: float
    settings: GatewaySettings
    scenario: Scenario
    moves: tuple[PriceMove, ...]
    kills: tuple[Kill | None, ...]
    rests: tuple[float, ...]


def draw_plan(seed: int) -> Plan:
    """Return the plan of that seed."""
    draw = random.Random(f"plan:{seed}")  # noqa: S311 - meant to be repeatable
    symbols = draw.sample(SYMBOLS, draw.randint(3, len(SYMBOLS)))
    return Plan(
        seed=seed,
        limits=_limits(draw),
        books=tuple(_wishes(draw, symbols) for _ in range(draw.choice((1, 1, 2, 2, 3)))),
        starts=draw.choice((5.0, 20.0, 40.0, 40.0, -700.0)),
        settings=_settings(draw, seed),
        scenario=Scenario(
            seed=seed, faults=tuple(_fault(draw, symbols) for _ in range(draw.choice((0, 1, 1, 2, 3, 4))))
        ),
        moves=tuple(_move(draw, symbols) for _ in range(draw.randint(0, 6))),
        kills=tuple(_kill(draw) for _ in range(MOST_LIVES)),
        rests=tuple(draw.choice((0.05, 1.0, 5.0)) for _ in range(MOST_LIVES)),
    )


def _limits(draw: random.Random) -> RiskLimits:
    """Return limits so narrow that some orders of most runs break one."""
    return RiskLimits(
        max_order_notional=Decimal(draw.choice((25_000, 60_000, 250_000))),
        max_position_notional=Decimal(draw.choice((30_000, 70_000, 500_000))),
        max_position_pct=Decimal(draw.choice((3, 8, 25))),
        max_gross_leverage=Decimal(draw.choice(("0.1", "0.25", "2"))),
        max_orders_per_day=draw.choice((4, 8, 500)),
        max_notional_per_day=Decimal(draw.choice((120_000, 3_000_000))),
    )


def _wishes(draw: random.Random, symbols: list[str]) -> tuple[Wish, ...]:
    return tuple(_wish(draw, symbol) for symbol in sorted(draw.sample(symbols, draw.randint(2, len(symbols)))))


def _wish(draw: random.Random, symbol: str) -> Wish:
    ord_type = draw.choice(
        (OrdType.MARKET, OrdType.MARKET, OrdType.LIMIT, OrdType.LIMIT, OrdType.STOP, OrdType.STOP_LIMIT)
    )
    worth = draw.choice((2_000, 10_000, 20_000, 40_000, 80_000))
    qty = max(1, int(worth / CLOSES[symbol])) * draw.choice((1, 1, 1, -1))
    return Wish(
        symbol=symbol, qty=qty, ord_type=ord_type, away=Decimal(draw.choice(("-0.02", "-0.005", "0.005", "0.02")))
    )


def _settings(draw: random.Random, seed: int) -> GatewaySettings:
    return GatewaySettings(
        accounts=(GatewayAccount(name=ACCOUNT, cash=CASH),),
        seed=seed,
        poll_seconds=0,
        slices=draw.choice((1, 1, 2, 3)),
        slice_seconds=draw.choice((0.0, 0.5, 3.0)),
        liquidity=draw.choice((None, None, Decimal(100))),
        commission_first=draw.random() < 0.3,
    )


def _move(draw: random.Random, symbols: list[str]) -> PriceMove:
    times = Decimal(draw.choice(("0.97", "0.99", "1", "1.01", "1.03")))
    return PriceMove(at=round(draw.uniform(0.5, 60), 2), symbol=draw.choice(symbols), times=times)


def _kill(draw: random.Random) -> Kill | None:
    """Draw a step of any life, or one of a kind that is rare and matters."""
    step = draw.choice((None, Step.BEFORE_COMMIT, Step.AFTER_COMMIT, Step.MESSAGE, Step.MESSAGE))
    if step is None:
        return None
    if draw.random() < 0.3:
        return Kill(step, draw.randint(1, 120 if step is Step.MESSAGE else 30))
    names = MESSAGES if step is Step.MESSAGE else COMMITS
    heart = names[:_HEART]  # most lives are to end there
    return Kill(step, draw.choice((1, 1, 2, 3, 5)), draw.choice(heart if draw.random() < 0.6 else names))


def _fault(draw: random.Random, symbols: list[str]) -> Fault:
    makers: tuple[Callable[[random.Random, list[str]], Fault], ...] = (
        _on_request,
        _on_answer,
        _on_answer,
        _on_end,
        _said,
        _link,
        _restart,
        _stranger,
    )
    return draw.choice(makers)(draw, symbols)


def _nth(draw: random.Random) -> dict[str, int | float]:
    """Return when it falls: at one of the first such messages, or at some of them by chance."""
    if draw.random() < 0.6:
        return {"nth": draw.randint(1, 6)}
    return {"probability": draw.choice((0.1, 0.3)), "times": draw.randint(1, 3)}


def _seconds(draw: random.Random) -> float:
    return draw.choice((0.02, 0.5, 3.0, 12.0, 40.0))


def _on_request(draw: random.Random, _symbols: list[str]) -> Fault:
    """Do something to an order on its way, or to a question."""
    on = draw.choice(
        ("placeOrder", "placeOrder", "placeOrder", "reqAllOpenOrders", "reqExecutions", "reqCompletedOrders")
    )
    do = draw.choice((Action.DROP, Action.DELAY, Action.DOUBLE, Action.REORDER, Action.KILL_BEFORE, Action.KILL_AFTER))
    if on == "placeOrder" and draw.random() < 0.25:
        return Fault(on=on, do=Action.REJECT, code=draw.choice(_REJECTS), text="made up", **_nth(draw))  # type: ignore[arg-type]
    return Fault(on=on, do=do, seconds=_seconds(draw), **_nth(draw))  # type: ignore[arg-type]


def _on_answer(draw: random.Random, _symbols: list[str]) -> Fault:
    """Do something to what the gateway says of orders."""
    do = draw.choice(
        (Action.DROP, Action.DELAY, Action.DOUBLE, Action.REORDER, Action.HANG, Action.KILL_BEFORE, Action.KILL_AFTER)
    )
    return Fault(on=draw.choice(_ASKED), do=do, seconds=_seconds(draw), **_nth(draw))  # type: ignore[arg-type]


def _on_end(draw: random.Random, _symbols: list[str]) -> Fault:
    """Never finish an answer, or finish it late, twice, or with a dead socket."""
    do = draw.choice((Action.HANG, Action.DELAY, Action.DOUBLE, Action.REORDER, Action.KILL_BEFORE, Action.KILL_AFTER))
    return Fault(on=draw.choice(_ENDS), do=do, seconds=_seconds(draw), **_nth(draw))  # type: ignore[arg-type]


def _said(draw: random.Random, _symbols: list[str]) -> Fault:
    """Say that a data farm went or came, or that messages come too fast."""
    code = draw.choice((*_FARMS, 100, 1102))
    return Fault(on=draw.choice(("placeOrder", *_ASKED)), do=Action.SAY, code=code, text="made up", **_nth(draw))  # type: ignore[arg-type]


def _link(draw: random.Random, _symbols: list[str]) -> Fault:
    """Lose the broker behind the gateway for a while."""
    on = draw.choice(("placeOrder", "orderStatus", "reqAllOpenOrders", "reqPositions"))
    seconds, code = draw.choice((0.3, 5.0, 20.0)), draw.choice((1101, 1102))
    return Fault(on=on, do=Action.LOSE_LINK, seconds=seconds, code=code, nth=draw.randint(1, 5), times=1)


def _restart(draw: random.Random, _symbols: list[str]) -> Fault:
    """Restart the gateway, most often with its sequence of order ids begun anew."""
    on = draw.choice(("placeOrder", "openOrder", "execDetails", "reqExecutions"))
    rolls_back, seconds = draw.random() < 0.7, draw.choice((0.1, 4.0))
    return Fault(on=on, do=Action.RESTART, roll_back_ids=rolls_back, seconds=seconds, nth=draw.randint(1, 5), times=1)


def _stranger(draw: random.Random, symbols: list[str]) -> Fault:
    """Trade by another hand: a person's, or the broker's own."""
    at, symbol = round(draw.uniform(0.5, 40), 2), draw.choice(symbols)
    if draw.random() < 0.5:
        return Fault(at=at, do=Action.LIQUIDATE, symbol=symbol)
    return Fault(at=at, do=Action.MANUAL_ORDER, symbol=symbol, quantity=draw.choice((5.0, 20.0, -5.0)))
