"""Kinds of fields that a form shows and a person may mistype."""

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field, PlainSerializer, WithJsonSchema

# A Decimal that a form shows as a number; its JSON is a number too (repr of a float returns the digits typed in).
FormDecimal = Annotated[
    Decimal, WithJsonSchema({"type": "number"}), PlainSerializer(float, return_type=float, when_used="json")
]

_LEAST_PCT = Decimal("0.1")


def _per_cent(value: Decimal) -> Decimal:
    # Who types 0.05 and means 5 % would have a limit that nothing passes.
    if value < _LEAST_PCT:
        raise ValueError(f"greater than or equal to {_LEAST_PCT}, for it is in per cent: write 5 for 5 %, not 0.05")
    return value


PerCent = Annotated[FormDecimal, Field(gt=0), AfterValidator(_per_cent)]
