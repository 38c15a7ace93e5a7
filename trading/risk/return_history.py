"""Past returns of symbols as one matrix, and which symbols have too few."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pandas as pd

from trading.errors import InvalidValue
from trading.risk.tail_measures import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReturnHistory:
    """Simple returns of one session each: what each symbol earned in each of the same sessions.

    Attributes:
        symbols: in the order of the columns.
        sessions: ascending, in the order of the rows.
        returns: shape (n_sessions, n_symbols), finite, not below -1.
        unmeasured: symbols that have no column, each with the reason.
    """

    symbols: tuple[str, ...]
    sessions: tuple[date, ...]
    returns: FloatArray
    unmeasured: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.returns.shape != (len(self.sessions), len(self.symbols)):
            raise InvalidValue(
                "returns", self.returns.shape, f"{len(self.sessions)} rows by {len(self.symbols)} columns"
            )
        wrong = ~(np.isfinite(self.returns) & (self.returns >= -1))
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            name = f"return of {self.symbols[column]} in session {self.sessions[row]}"
            raise InvalidValue(name, float(self.returns[row, column]), "finite and not below -1; leave the symbol out")

    @classmethod
    def of_closes(cls, closes: pd.DataFrame, sessions: int) -> "ReturnHistory":
        """Return the last `sessions` returns of closes; no price is made up for one that is missing.

        Args:
            closes: adjusted for splits and dividends; one column for each symbol, one row for each session, ascending.

        Returns:
            A history in which every symbol has every session; the others are `unmeasured`.
        """
        if not closes.index.is_monotonic_increasing or not closes.index.is_unique or not closes.columns.is_unique:
            raise InvalidValue("closes", closes.shape, "ascending by session, with each session and symbol once")
        window = closes.iloc[-(sessions + 1) :]
        px = window.to_numpy(dtype=np.float64)
        usable = np.isfinite(px) & (px > 0)
        given = usable.sum(axis=0) - 1
        whole = given == sessions
        why = {
            str(symbol): f"{max(int(count), 0)} of {sessions} sessions of history"
            for symbol, count in zip(window.columns[~whole], given[~whole], strict=True)
        }
        kept = px[:, whole]
        return cls(
            symbols=tuple(map(str, window.columns[whole])),
            sessions=tuple(pd.Timestamp(day).date() for day in window.index[1:]),
            returns=kept[1:] / kept[:-1] - 1,
            unmeasured=why,
        )

    def column(self, symbol: str) -> FloatArray | None:
        """Return the returns of a symbol, or None when it has none."""
        return self.returns[:, self.symbols.index(symbol)] if symbol in self.symbols else None


def betas(returns: FloatArray, benchmark: FloatArray) -> FloatArray:
    """Return the slope of each column's returns on the benchmark's, by least squares.

    Raises:
        InvalidValue: the benchmark never moves.
    """
    centred = benchmark - benchmark.mean()
    variance = float(centred @ centred)
    if not variance > 0:
        raise InvalidValue("variance of the benchmark", variance, "greater than 0")
    return np.asarray(centred @ (returns - returns.mean(axis=0)) / variance)


def portfolio_deviation(values: FloatArray, covariance: FloatArray, symbols: tuple[str, ...]) -> float:
    """Return the standard deviation of a portfolio's profit by a covariance of returns.

    Args:
        values: signed value of each position, shape (n,).
        covariance: of returns in one session, shape (n, n).

    Raises:
        InvalidValue: the covariance has a hole, is not symmetric, or makes a variance below 0.

    Source: J. Hull, Options, Futures, and Other Derivatives, 22.4.
    """
    holes = ~np.isfinite(covariance)
    if holes.any():
        row, column = np.argwhere(holes)[0]
        name = f"covariance of {symbols[row]} and {symbols[column]}"
        raise InvalidValue(name, float(covariance[row, column]), "finite; leave out what has too little history")
    if not np.allclose(covariance, covariance.T, rtol=1e-9, atol=0):
        raise InvalidValue("covariance", covariance.shape, "symmetric")
    variance = float(values @ covariance @ values)
    if variance < -1e-12 * float(np.abs(values) @ np.abs(covariance) @ np.abs(values)):
        raise InvalidValue("variance of the portfolio", variance, "0 or more; the covariance is not one")
    return float(np.sqrt(max(variance, 0.0)))
