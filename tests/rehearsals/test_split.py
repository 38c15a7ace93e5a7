"""Real raw prices across a 4-for-1 split and across dividends, recomputed by hand."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pandas as pd
import pytest

from blocks.bar_source import BarSource, Provider
from blocks.broker_account import BrokerAccount
from blocks.risk_limits import RiskLimitsBlock
from tests.bar_builders import data_file
from tests.rehearsals.conftest import Rehearse, run_here
from tests.rehearsals.own_books import (
    CENT,
    Fill,
    cash_after,
    fills,
    held_after,
    query,
    to_cents,
    value_of,
    worths,
)
from trading.risk.limits import RiskLimits
from trading.strategies.strategy import PointInTimeBars

SYMBOLS = ["AAPL", "BAC", "IBM", "SPY"]
LAST_OLD, FIRST_NEW = date(2020, 8, 28), date(2020, 8, 31)  # Apple: four new shares for one, on the Monday
SPLITS = {("AAPL", datetime(2020, 8, 31, 13, 30, tzinfo=UTC)): 4}
# As the companies announced them, in dollars a share; the file's derived amounts agree to the cent in these three.
DIVIDENDS = {
    ("AAPL", date(2020, 8, 7)): Decimal("0.82"),
    ("IBM", date(2020, 8, 7)): Decimal("1.63"),
    ("BAC", date(2020, 9, 3)): Decimal("0.18"),
}
CloseOf = Callable[[str, date], Decimal]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("rehearsals")]


@dataclass(frozen=True)
class MoreApple:
    """A fifth of each, and 24% of Apple from the split on, so that Apple is bought on the day of its split."""

    lookback_sessions: int = 5

    def target_weights(self, bars: PointInTimeBars) -> dict[str, float]:
        return dict.fromkeys(SYMBOLS, 0.2) | {"AAPL": 0.24 if bars.session >= FIRST_NEW else 0.2}


@pytest.fixture(scope="module")
def close_of() -> CloseOf:
    """The raw closes of the file, read here by pandas alone."""
    frame = pd.read_parquet(data_file("equity", "us_equity_daily_raw.parquet"), filters=[("symbol", "in", SYMBOLS)])
    closes = frame.assign(date=pd.to_datetime(frame["date"]).dt.date).set_index(["symbol", "date"])["close"]
    return lambda symbol, session: Decimal(repr(float(closes[symbol, session])))


@pytest.fixture(scope="module")
def us_accounts(home: Path, close_of: CloseOf) -> None:
    """Two accounts on the raw bars of the file, as a person would save them in the UI."""

    async def save() -> None:
        source = BarSource(
            name="us",
            provider=Provider.FILES,
            path=data_file("equity", "us_equity_daily_raw.parquet"),
            actions_path=data_file("equity", "us_equity_events_derived.csv"),
            symbols=SYMBOLS,
        )
        await source.asave("us")
        limits = RiskLimitsBlock(limits=RiskLimits(max_position_pct=Decimal(40), max_order_notional=Decimal(400_000)))
        for account in ("split", "dividends"):
            await BrokerAccount(account=account, bar_source=source, risk_limits=limits).asave(account)

    run_here(save)


@pytest.fixture(scope="module")
def over_the_split(home: Path, us_accounts: None, rehearse: Rehearse) -> list[Fill]:
    strategy = f"{MoreApple.__module__}:{MoreApple.__name__}"
    rehearse((date(2020, 8, 27), date(2020, 9, 3)), account="split", strategy=strategy, parameters={})
    return fills(home, "split")


@pytest.fixture(scope="module")
def over_the_dividends(home: Path, us_accounts: None, rehearse: Rehearse) -> list[Fill]:
    rehearse((date(2020, 8, 5), date(2020, 8, 10)), account="dividends", strategy="EqualWeight", parameters={})
    return fills(home, "dividends")


def splits_until(session: date) -> dict[tuple[str, datetime], int]:
    return {(symbol, at): ratio for (symbol, at), ratio in SPLITS.items() if at.date() <= session}


def dividends_until(session: date, traded: list[Fill]) -> Decimal:
    """Return what was earned by then, each booked in cents: shares held before the ex-date, times the amount."""
    total = Decimal(0)
    for (symbol, ex_date), amount in DIVIDENDS.items():
        if ex_date <= session:
            before = [fill for fill in traded if fill.at.date() < ex_date]
            total += (held_after(before, splits_until(ex_date))[symbol] * amount).quantize(CENT, ROUND_HALF_EVEN)
    return total


def assert_worth_to_the_cent(home: Path, account: str, traded: list[Fill], close_of: CloseOf) -> None:
    after_sessions = [worth for worth in worths(home, account) if worth.session >= traded[0].at.date()]
    for worth in after_sessions:
        so_far = [fill for fill in traded if fill.at.date() <= worth.session]
        held = held_after(so_far, splits_until(worth.session))

        cash = cash_after(so_far) + dividends_until(worth.session, traded)
        value = value_of(held, lambda symbol: close_of(symbol, worth.session))  # noqa: B023 - used at once

        assert to_cents(worth.cash) == to_cents(cash), worth.session
        assert to_cents(worth.equity) == to_cents(cash + value), worth.session


def test_no_session_around_a_split_or_a_dividend_ends_with_a_break(
    home: Path, over_the_split: list[Fill], over_the_dividends: list[Fill]
):
    outcomes = {
        account: [worth.breaks for worth in worths(home, account) if worth.session >= first]
        for account, first in [("split", date(2020, 8, 27)), ("dividends", date(2020, 8, 5))]
    }

    assert outcomes == {"split": [[]] * 6, "dividends": [[]] * 4}


def test_after_the_split_there_are_four_times_as_many_shares_and_the_days_own_order(
    home: Path, over_the_split: list[Fill]
):
    apple = [fill for fill in over_the_split if fill.symbol == "AAPL"]
    before = sum(int(fill.qty) for fill in apple if fill.at.date() <= LAST_OLD)
    that_day = sum(int(fill.qty) for fill in apple if fill.at.date() == FIRST_NEW)

    decided = dict(query(home, HELD_IN_DECISION, "split", "2020-09-01"))

    assert before > 0
    assert that_day > 0
    assert int(decided["AAPL"]) == 4 * before + that_day


def test_the_order_on_the_day_of_the_split_is_sized_in_new_shares(over_the_split: list[Fill], close_of: CloseOf):
    old = [fill for fill in over_the_split if fill.at.date() <= LAST_OLD]
    held = held_after(old)
    equity = cash_after(old) + value_of(held, lambda symbol: close_of(symbol, LAST_OLD))
    new_px = (close_of("AAPL", LAST_OLD) / 4).quantize(CENT, ROUND_HALF_EVEN)  # 499.23 makes 124.81

    wanted = (equity * Decimal("0.98") * Decimal("0.24") / new_px).quantize(Decimal(1), ROUND_DOWN)

    bought = sum(fill.qty for fill in over_the_split if fill.symbol == "AAPL" and fill.at.date() == FIRST_NEW)
    assert new_px == Decimal("124.81")
    assert bought == wanted - 4 * held["AAPL"]
    assert 0 < bought < held["AAPL"]  # three times the old position would have been "missing" by a split not known


def test_fills_of_raw_bars_are_at_the_open_before_and_after_the_split(over_the_split: list[Fill]):
    apple = {fill.at.date(): fill.px for fill in over_the_split if fill.symbol == "AAPL"}

    # By the file, Apple opened at 508.50 on Thursday 2020-08-27, and at 127.67 on the Monday of the split.
    assert apple[date(2020, 8, 27)] == Decimal("508.61")  # 508.50 x 1.0002 = 508.6017, to the next cent
    assert apple[FIRST_NEW] == Decimal("127.70")  # 127.67 x 1.0002 = 127.695534


def test_cash_and_equity_around_the_split_are_right_to_the_cent(
    home: Path, over_the_split: list[Fill], close_of: CloseOf
):
    assert_worth_to_the_cent(home, "split", over_the_split, close_of)


def test_cash_and_equity_around_the_dividends_are_right_to_the_cent(
    home: Path, over_the_dividends: list[Fill], close_of: CloseOf
):
    assert_worth_to_the_cent(home, "dividends", over_the_dividends, close_of)


def test_a_dividend_is_paid_on_what_was_held_before_its_ex_date(home: Path, over_the_dividends: list[Fill]):
    held = held_after([fill for fill in over_the_dividends if fill.at.date() < date(2020, 8, 7)])

    paid = dict(query(home, "SELECT symbol, amount FROM cash_movement WHERE account = ? AND symbol <> ''", "dividends"))

    assert {symbol: Decimal(amount) for symbol, amount in paid.items()} == {
        "AAPL": (held["AAPL"] * Decimal("0.82")).quantize(CENT),
        "IBM": (held["IBM"] * Decimal("1.63")).quantize(CENT),
    }


HELD_IN_DECISION = """SELECT json_extract(target.value, '$.symbol'), json_extract(target.value, '$.held_qty')
                      FROM decision, json_each(decision.targets) AS target WHERE account = ? AND session = ?"""
