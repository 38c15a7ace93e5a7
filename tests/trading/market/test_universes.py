"""Who belonged when; what is asked about a day never depends on what came after it."""

from datetime import date

import pytest

from trading.errors import InvalidValue
from trading.market.universes import Membership, Universe

# Three changes of the S&P 500: Twitter was replaced on 2022-11-01, Tesla joined on 2020-12-21; Dell left in 2013, and
# came back on 2024-09-23.
TWTR = Membership(symbol="TWTR", first=date(2018, 6, 7), last=date(2022, 10, 31))
TSLA = Membership(symbol="TSLA", first=date(2020, 12, 21))
DELL = Membership(symbol="DELL", first=date(1996, 9, 6), last=date(2013, 10, 28))
DELL_AGAIN = Membership(symbol="DELL", first=date(2024, 9, 23))
INDEX = Universe(memberships=(TWTR, TSLA, DELL_AGAIN, DELL))


@pytest.mark.parametrize(
    ("day", "members"),
    [
        (date(2013, 10, 28), ("DELL",)),
        (date(2013, 10, 29), ()),
        (date(2020, 12, 20), ("TWTR",)),
        (date(2020, 12, 21), ("TSLA", "TWTR")),
        (date(2022, 11, 1), ("TSLA",)),
        (date(2024, 9, 23), ("DELL", "TSLA")),
    ],
)
def test_a_symbol_belongs_from_its_first_day_to_its_last(day: date, members: tuple[str, ...]):
    assert INDEX.members_on(day) == members


def test_members_of_a_range_are_those_of_any_of_its_days():
    assert INDEX.members_between(date(2013, 1, 1), date(2018, 12, 31)) == ("DELL", "TWTR")
    assert INDEX.symbols() == ("DELL", "TSLA", "TWTR")
    assert INDEX.last_days() == {"TWTR": date(2022, 10, 31)}


def test_two_stays_that_overlap_and_one_that_ends_before_it_begins_are_refused():
    with pytest.raises(InvalidValue, match="first of TSLA is '2021-01-04', but must be after the end of its stay"):
        Universe(memberships=(TSLA, Membership(symbol="TSLA", first=date(2021, 1, 4))))
    with pytest.raises(InvalidValue, match="not before first, 2020-12-21, of TSLA"):
        Membership(symbol="TSLA", first=date(2020, 12, 21), last=date(2020, 12, 18))
