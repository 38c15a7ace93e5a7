"""Numbers: IB's floats and its marks for "not set", read as exact values."""

from decimal import Decimal

from adapters.plain_decimals import plain

_UNSET = 1e300
_UNSET_INTEGER = 2147483647


def exact(value: object) -> Decimal:
    """Return the shortest decimal that the float stands for; 0.1 gives 0.1, 100.0 gives 100."""
    return plain(Decimal(str(value)))


def exact_or_none(value: object) -> Decimal | None:
    """Return the decimal, or None when IB's value means that there is none."""
    if value is None or value == "":
        return None
    number = Decimal(str(value))
    if not number.is_finite() or abs(number) > _UNSET or number == _UNSET_INTEGER:
        return None
    return plain(number)
