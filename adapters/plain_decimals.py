"""Decimals without trailing zeros and exponents; its own file, since `openbell stop` reads IB's numbers and no SQL."""

from decimal import Decimal


def plain(value: Decimal | str) -> Decimal:
    """Return the exact value without trailing zeros and without exponent; 100.00 and 1E+2 both give 100."""
    digits = value if isinstance(value, str) else format(value, "f")  # `normalize` would round to 28 digits
    return Decimal(digits.rstrip("0").rstrip(".") if "." in digits else digits)
