"""Plain calls and puts as arrays: what every formula for their price needs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trading.errors import InvalidValue

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class CashFlow:
    """A cash dividend as formulas see it: so much per unit of the underlying, `years` from now."""

    years: float
    amount: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VanillaOptions:
    """Calls and puts; each attribute is an array with one number for each option, shape (n,).

    Cash dividends that go ex before an option expires are taken off the spot at their present value, and what is left
    moves as Black and Scholes say (the "escrowed" model).

    Attributes:
        is_call: False is a put.
        spot, strike: > 0, in the same currency.
        years: to the expiry, ACT/365; not above 0 is expired and has no price.
        rate, dividend_yield: continuously compounded, 0.05 is 5 % a year.
        dividends: the same for all; each counts for the options that are alive then.

    Source: J. Hull, Options, Futures, and Other Derivatives, chapters 15.12 and 17.
    """

    is_call: BoolArray
    spot: FloatArray
    strike: FloatArray
    years: FloatArray
    rate: FloatArray
    dividend_yield: FloatArray
    dividends: tuple[CashFlow, ...] = ()

    @classmethod
    def of(
        cls,
        right: npt.ArrayLike,
        *,
        spot: npt.ArrayLike,
        strike: npt.ArrayLike,
        years: npt.ArrayLike,
        rate: npt.ArrayLike,
        dividend_yield: npt.ArrayLike = 0.0,
        dividends: Sequence[CashFlow] = (),
    ) -> "VanillaOptions":
        """Make options of numbers and arrays, each broadcast to all.

        Args:
            right: C or P.

        Raises:
            InvalidValue: a spot or strike is not above 0, or the dividends are worth more than the spot.
        """
        letters = np.asarray(right)
        if not np.isin(letters, ["C", "P"]).all():
            raise InvalidValue("right", right, "C or P")
        numbers = [np.asarray(n, dtype=np.float64) for n in (spot, strike, years, rate, dividend_yield)]
        is_call, *whole = (np.atleast_1d(a).copy() for a in np.broadcast_arrays(letters == "C", *numbers))
        made = cls(
            is_call=is_call,
            **dict(zip(("spot", "strike", "years", "rate", "dividend_yield"), whole, strict=True)),
            dividends=tuple(dividends),
        )
        for name, values in (("spot", made.spot), ("strike", made.strike), ("spot less dividends", made.net_spot)):
            if not (values > 0).all():
                raise InvalidValue(name, float(values[~(values > 0)][0]), "greater than 0")
        return made

    @property
    def net_spot(self) -> FloatArray:
        """Return the spot less the present value of the cash dividends before the expiry."""
        return self.spot - self.present_value()

    @property
    def discount(self) -> FloatArray:
        """Return what one unit of money at the expiry is worth now."""
        return np.exp(-self.rate * self.years)

    @property
    def forward(self) -> FloatArray:
        """Return the forward price of the underlying for the expiry."""
        return self.net_spot * np.exp((self.rate - self.dividend_yield) * self.years)

    @property
    def sign(self) -> FloatArray:
        """Return 1 for a call and -1 for a put."""
        return np.where(self.is_call, 1.0, -1.0)

    @property
    def intrinsic(self) -> FloatArray:
        """Return what exercise now is worth."""
        return np.maximum(self.sign * (self.spot - self.strike), 0.0)

    def present_value(self, power: int = 0) -> FloatArray:
        """Return the sum of the cash dividends before the expiry, discounted, each times its years to that power."""
        total = np.zeros_like(self.spot)
        for flow in self.dividends:
            worth = flow.amount * np.exp(-self.rate * flow.years) * flow.years**power
            total += np.where(flow.years <= self.years, worth, 0.0)
        return total

    def take(self, chosen: BoolArray) -> "VanillaOptions":
        """Return the options chosen."""
        return VanillaOptions(
            is_call=self.is_call[chosen],
            spot=self.spot[chosen],
            strike=self.strike[chosen],
            years=self.years[chosen],
            rate=self.rate[chosen],
            dividend_yield=self.dividend_yield[chosen],
            dividends=self.dividends,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Greeks:
    """How the price of each option moves, per unit of the underlying; shape (n,), NaN where there is no price.

    Attributes:
        delta: for a rise of the underlying by one unit of currency.
        gamma: change of delta for that rise.
        vega: for a rise of the volatility by one percentage point.
        theta: for one calendar day that passes; mostly below 0.
        rho: for a rise of the rate by one percentage point.
    """

    delta: FloatArray
    gamma: FloatArray
    vega: FloatArray
    theta: FloatArray
    rho: FloatArray
