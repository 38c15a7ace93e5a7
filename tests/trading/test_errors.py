"""The tree drawn at the head of errors.py is the tree of its classes."""

import re
from collections.abc import Iterator

from trading import errors
from trading.errors import TradingError


def drawn_tree() -> dict[str, str]:
    """Return the parent of each error, as drawn: four columns to the right is one level down."""
    parents, path = {}, ["TradingError"]
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"(?P<indent> {4}[│ ]*)[├└]── (?P<name>\w+)", line):
            level = len(found["indent"]) // 4
            path = [*path[:level], found["name"]]
            parents[found["name"]] = path[level - 1]
    return parents


def class_tree(root: type[TradingError] = TradingError) -> Iterator[tuple[str, str]]:
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child.__name__, root.__name__
            yield from class_tree(child)


def test_the_drawn_tree_is_the_real_one():
    drawn, real = drawn_tree(), dict(class_tree())

    assert len(real) > 20
    assert drawn == real


def test_every_error_is_explained_where_it_is_drawn():
    for name in dict(class_tree()):
        branch = [line for line in (errors.__doc__ or "").splitlines() if f"── {name}" in line]
        is_group = name in dict(class_tree()).values()

        assert len(branch) == 1
        assert is_group or len(branch[0].split(name, 1)[1].split()) > 2
