"""What goes wrong with bars: each kind spoils a window of real ones in one way, drawn by chance from a seed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from trading.market.corporate_actions import CashDividend, CorporateAction, Split

OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)
PRICES = slice(0, 4)
LENGTH = 60  # sessions of a window

_RATIOS = (1.5, 2, 3, 4, 5, 7, 10, 20, 1 / 2, 1 / 4, 1 / 5, 1 / 10, 1 / 20)

Values = npt.NDArray[np.float64]
Random = np.random.Generator


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window:
    """Bars of one symbol.

    Attributes:
        days: one for each row.
        values: open, high, low, close and volume; shape (rows, 5).
        actions: corporate actions, of the symbol.
    """

    symbol: str
    days: npt.NDArray[np.datetime64]
    values: Values
    actions: tuple[CorporateAction, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draw:
    """What one corruption is made from.

    Attributes:
        window: what is spoiled, complete.
        other: bars of another real symbol, on the same days.
        at: the row where it begins, >= 1.
    """

    window: Window
    other: Window
    at: int
    random: Random

    def rows(self, least: int, most: int) -> slice:
        """Return some rows from `at` on."""
        return slice(self.at, self.at + int(self.random.integers(least, most + 1)))

    def ratio(self) -> float:
        """Return new shares per old of a split."""
        return float(self.random.choice(_RATIOS))

    def split(self, ratio: float, at: int) -> Split:
        """Return a split whose ex-date is the day of a row."""
        return Split(symbol=self.window.symbol, ex_date=self.day(at), new_per_old=Decimal(str(ratio)))

    def dividend(self, share: float, at: int) -> CashDividend:
        """Return a dividend of a share of the close before."""
        amount = Decimal(str(round(share * self.window.values[at - 1, CLOSE], 4)))
        return CashDividend(symbol=self.window.symbol, ex_date=self.day(at), amount_per_share=amount)

    def day(self, at: int) -> Any:
        """Return the date of a row."""
        return self.window.days[at].astype("datetime64[D]").item()


Corruption = Callable[[Draw], Window]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One way to go wrong.

    Attributes:
        beyond: why the prices of one source cannot always give it away; empty when they ought to.
    """

    name: str
    spoil: Corruption
    beyond: str = ""


def _with_values(draw: Draw, change: Callable[[Values], None]) -> Window:
    values = draw.window.values.copy()
    change(values)
    return replace(draw.window, values=values)


def _scale(factor: float, least: int, most: int, columns: slice = PRICES) -> Corruption:
    def spoil(draw: Draw) -> Window:
        def change(values: Values) -> None:
            values[draw.rows(least, most), columns] *= factor

        return _with_values(draw, change)

    return spoil


def _put(column: int, value: float) -> Corruption:
    def spoil(draw: Draw) -> Window:
        def change(values: Values) -> None:
            values[draw.at, column] = value

        return _with_values(draw, change)

    return spoil


def _swap(one: int, two: int) -> Corruption:
    def spoil(draw: Draw) -> Window:
        def change(values: Values) -> None:
            values[draw.at, [one, two]] = values[draw.at, [two, one]]

        return _with_values(draw, change)

    return spoil


def _split_at(values: Values, at: int, ratio: float) -> None:
    values[at:, PRICES] /= ratio
    values[at:, VOLUME] *= ratio


def _split_withheld(draw: Draw) -> Window:
    return _with_values(draw, lambda values: _split_at(values, draw.at, draw.ratio()))


def _split_phantom(draw: Draw) -> Window:
    return replace(draw.window, actions=(*draw.window.actions, draw.split(draw.ratio(), draw.at)))


def _split_twice(draw: Draw) -> Window:
    ratio = draw.ratio()
    window = _with_values(draw, lambda values: _split_at(values, draw.at, ratio**2))
    return replace(window, actions=(*window.actions, draw.split(ratio, draw.at)))


def _split_late(draw: Draw) -> Window:
    ratio, listed = draw.ratio(), max(1, draw.at - int(draw.random.integers(1, 4)))
    late = max(draw.at, listed + 1)
    window = _with_values(draw, lambda values: _split_at(values, late, ratio))
    return replace(window, actions=(*window.actions, draw.split(ratio, listed)))


def _dividend(least: float, most: float) -> Corruption:
    def spoil(draw: Draw) -> Window:
        paid = draw.dividend(float(draw.random.uniform(least, most)), draw.at)
        return replace(draw.window, actions=(*draw.window.actions, paid))

    return spoil


def _dividend_hundredfold(draw: Draw) -> Window:
    """Pay a usual quarterly dividend, 0.2 % to 1.2 %, a hundredfold: pence written as pounds."""
    return _dividend(0.2, 1.2)(draw)


def _dividend_again(draw: Draw) -> Window:
    share = float(draw.random.uniform(0.01, 0.03))
    first = max(1, draw.at - int(draw.random.integers(1, 4)))
    again = max(draw.at, first + 1)
    paid = draw.dividend(share, first)
    doubled = replace(paid, ex_date=draw.day(again))
    return replace(draw.window, actions=(*draw.window.actions, paid, doubled))


def _close_outside(draw: Draw) -> Window:
    def change(values: Values) -> None:
        by = 1 + float(draw.random.uniform(0.002, 0.05))
        values[draw.at, CLOSE] = values[draw.at, HIGH] * by if draw.random.random() < 0.5 else values[draw.at, LOW] / by

    return _with_values(draw, change)


def _tick(draw: Draw) -> Window:
    """Let one wrong trade be the close, and the low or the high with it."""

    def change(values: Values) -> None:
        row = values[draw.at]
        row[CLOSE] *= 1.6 if draw.random.random() < 0.5 else 0.6
        row[HIGH], row[LOW] = max(row[HIGH], row[CLOSE]), min(row[LOW], row[CLOSE])

    return _with_values(draw, change)


def _volume_gone(draw: Draw) -> Window:
    return _put(VOLUME, 0.0)(draw)


def _again(same: bool) -> Corruption:
    def spoil(draw: Draw) -> Window:
        row = draw.window.values[draw.at] * (1 if same else [1, 1, 1, 1, 1.01])
        return _inserted(draw, draw.window.days[draw.at], row)

    return spoil


def _inserted(draw: Draw, day: np.datetime64, row: Values) -> Window:
    window = draw.window
    return replace(window, days=np.append(window.days, day), values=np.vstack([window.values, row]))


def _missing(draw: Draw) -> Window:
    keep = np.arange(len(draw.window.days)) != draw.at
    return replace(draw.window, days=draw.window.days[keep], values=draw.window.values[keep])


def _stale(draw: Draw) -> Window:
    stop = len(draw.window.days) - int(draw.random.integers(1, 4))
    return replace(draw.window, days=draw.window.days[:stop], values=draw.window.values[:stop])


def _on_closed_day(draw: Draw) -> Window:
    """Repeat the bar of the last Friday on the Saturday after it."""
    days = draw.window.days.astype("datetime64[D]")
    fridays = np.flatnonzero((days.astype(np.int64) + 3) % 7 == 4)  # 1970-01-01 was a Thursday
    at = fridays[max(0, fridays.searchsorted(draw.at) - 1)]
    return _inserted(draw, draw.window.days[at] + np.timedelta64(1, "D"), draw.window.values[at])


def _of_the_future(draw: Draw) -> Window:
    ahead = np.timedelta64(int(draw.random.integers(1, 10)), "D")
    return _inserted(draw, draw.window.days[-1] + ahead, draw.window.values[-1])


def _yesterday(draw: Draw) -> Window:
    def change(values: Values) -> None:
        values[draw.at] = values[draw.at - 1]

    return _with_values(draw, change)


def _frozen(draw: Draw) -> Window:
    def change(values: Values) -> None:
        begin = min(draw.at, len(values) - 12)
        values[begin : begin + 12] = values[begin - 1]

    return _with_values(draw, change)


def _carried(draw: Draw) -> Window:
    """Carry the close before forward as a bar without volume, as many vendors fill a gap."""

    def change(values: Values) -> None:
        rows = draw.rows(1, 2)
        values[rows, PRICES], values[rows, VOLUME] = values[draw.at - 1, CLOSE], 0.0

    return _with_values(draw, change)


def _spliced(rows: Callable[[Draw], slice]) -> Corruption:
    def spoil(draw: Draw) -> Window:
        def change(values: Values) -> None:
            taken = rows(draw)
            values[taken] = draw.other.values[taken]

        return _with_values(draw, change)

    return spoil


def _day_earlier(draw: Draw) -> Window:
    return replace(draw.window, days=draw.window.days - np.timedelta64(1, "D"))


def _session_later(draw: Draw) -> Window:
    def change(values: Values) -> None:
        values[draw.at :] = values[draw.at - 1 : -1].copy()

    return _with_values(draw, change)


def _rounded(draw: Draw) -> Window:
    def change(values: Values) -> None:
        values[draw.at, PRICES] = np.maximum(np.round(values[draw.at, PRICES]), 1.0)

    return _with_values(draw, change)


def _adjusted_before(draw: Draw) -> Window:
    def change(values: Values) -> None:
        values[: draw.at, PRICES] *= 1 - draw.random.uniform(0.005, 0.03)

    return _with_values(draw, change)


KINDS = (
    Kind(name="price x100", spoil=_scale(100, 1, 1)),
    Kind(name="price x0.01", spoil=_scale(0.01, 1, 1)),
    Kind(name="block in another unit", spoil=_scale(0.01, 3, 15)),
    Kind(name="one price in another unit", spoil=_scale(0.01, 1, 1, slice(LOW, LOW + 1))),
    Kind(name="decimal point moved (x10)", spoil=_scale(10, 1, 1)),
    Kind(name="split without its action", spoil=_split_withheld),
    Kind(name="split in the prices twice", spoil=_split_twice),
    Kind(name="split one to three days late", spoil=_split_late),
    Kind(name="split that never was", spoil=_split_phantom),
    Kind(name="dividend x100", spoil=_dividend_hundredfold),
    Kind(name="large dividend that never was", spoil=_dividend(0.15, 0.6)),
    Kind(name="dividend again within three days", spoil=_dividend_again),
    Kind(name="close NaN", spoil=_put(CLOSE, np.nan)),
    Kind(name="open infinite", spoil=_put(OPEN, np.inf)),
    Kind(name="low zero", spoil=_put(LOW, 0.0)),
    Kind(name="close negative", spoil=_scale(-1, 1, 1, slice(CLOSE, CLOSE + 1))),
    Kind(name="high and low swapped", spoil=_swap(HIGH, LOW)),
    Kind(name="open and high swapped", spoil=_swap(OPEN, HIGH)),
    Kind(name="close outside high and low", spoil=_close_outside),
    Kind(name="wrong trade as the close", spoil=_tick),
    Kind(name="volume negative", spoil=_scale(-1, 1, 1, slice(VOLUME, VOLUME + 1))),
    Kind(name="volume zero on a day with trades", spoil=_volume_gone),
    Kind(name="volume x1000", spoil=_scale(1000, 1, 1, slice(VOLUME, VOLUME + 1))),
    Kind(name="same bar twice", spoil=_again(same=True)),
    Kind(name="two bars for one day", spoil=_again(same=False)),
    Kind(name="session missing", spoil=_missing),
    Kind(name="bar on a Saturday", spoil=_on_closed_day),
    Kind(name="bar of the future", spoil=_of_the_future),
    Kind(name="last bars not there yet", spoil=_stale),
    Kind(name="yesterday's bar as today's", spoil=_yesterday),
    Kind(name="frozen for twelve sessions", spoil=_frozen),
    Kind(name="close carried forward", spoil=_carried),
    Kind(name="dates a day early", spoil=_day_earlier),
    Kind(name="rounded to whole numbers", spoil=_rounded),
    Kind(name="dates a session late from one day on", spoil=_session_later),
    Kind(
        name="bars of another symbol",
        spoil=_spliced(lambda draw: draw.rows(3, 15)),
        beyond="two symbols may stand at the same price and trade as much",
    ),
    Kind(
        name="one bar of another symbol",
        spoil=_spliced(lambda draw: slice(draw.at, draw.at + 1)),
        beyond="two symbols may stand at the same price and trade as much",
    ),
    Kind(
        name="volume x10",
        spoil=_scale(10, 1, 1, slice(VOLUME, VOLUME + 1)),
        beyond="real volumes rise tenfold on news",
    ),
    Kind(
        name="open and close swapped",
        spoil=_swap(OPEN, CLOSE),
        beyond="the bar stays coherent and the move small",
    ),
    Kind(
        name="small dividend that never was",
        spoil=_dividend(0.002, 0.012),
        beyond="the price moves more than that on any day",
    ),
    Kind(
        name="prices before a day adjusted by 0.5 to 3 %",
        spoil=_adjusted_before,
        beyond="the price moves more than that on any day; RESTATED finds it against the bars in store",
    ),
)
