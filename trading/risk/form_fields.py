"""Kinds of fields that a form shows and a person may mistype."""

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field, PlainSerializer, WithJsonSchema

# A Decimal that a form shows as a number; its JSON is a number too (repr of a float returns the digits typed in).
FormDecimal = Annotated[
    Decimal, WithJsonSchema({"type": "number"}), PlainSerializer(float, return_type=float, when_used="json")
]


def per_cent_from(least: Decimal) -> AfterValidator:
    """Refuse a percentage below that: who types 0.05 and means 5 % would have a limit that nothing passes."""

    def check(value: Decimal) -> Decimal:
        if value < least:
            raise ValueError(f"greater than or equal to {least}, for it is in per cent: write 5 for 5 %, not 0.05")
        return value

    return AfterValidator(check)


PerCent = Annotated[FormDecimal, Field(gt=0), per_cent_from(Decimal("0.1"))]
