"""How settings are checked by pydantic, and its refusals told as ours."""

import pydantic
from pydantic_core import ErrorDetails

from trading.errors import InvalidValue

# A misspelt limit must not leave the default in force unseen, as pydantic's own default would.
STRICT = pydantic.ConfigDict(extra="forbid")

_OPENINGS = ("Input should be ", "Value error, ")


class Contradiction(ValueError):
    """Settings that are each allowed, and not together; raise it where pydantic checks a whole."""

    def __init__(self, name: str, value: object, rule: str) -> None:
        self.name, self.value, self.rule = name, value, rule
        super().__init__(f"{name} is {value}, but must be {rule}")


def invalid_value_of(exc: pydantic.ValidationError) -> InvalidValue:
    """Return the error that a person should read; when several fields are wrong, it tells the first and names the rest.

    Use it as `raise invalid_value_of(exc) from exc`.
    """
    first, *others = exc.errors(include_url=False)
    told = first.get("ctx", {}).get("error")
    if isinstance(told, Contradiction):
        return InvalidValue(f"{told.name} of {exc.title}", told.value, told.rule)
    rule = _rule(first)
    if others:
        rule += f"; also wrong: {', '.join(_field(other) for other in others)}"
    return InvalidValue(f"{_field(first)} of {exc.title}", first["input"], rule)


def _field(error: ErrorDetails) -> str:
    return ".".join(str(part) for part in error["loc"]) or "value"


def _rule(error: ErrorDetails) -> str:
    if error["type"] in ("missing", "missing_keyword_only_argument"):
        return "given"
    if error["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return "left out: there is no such field"
    text = error["msg"]
    for opening in _OPENINGS:
        text = text.removeprefix(opening)
    return text[:1].lower() + text[1:]
