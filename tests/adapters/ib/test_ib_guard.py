"""Paper is paper and live is live, by port and by account."""

import pytest

from adapters.ib.guard import require_matching_mode
from trading.errors import InvalidValue

PAPER, LIVE = "DU1234567", "U1234567"


@pytest.mark.parametrize(
    ("mode_is_live", "port", "account"),
    [
        (False, 7497, PAPER),
        (False, 4002, "DF7654321"),
        (True, 7496, LIVE),
        (True, 4001, LIVE),
        (False, 8888, PAPER),  # a tunnel: the port says nothing
        (True, 8888, LIVE),
    ],
)
def test_what_agrees_is_let_through(mode_is_live: bool, port: int, account: str):
    require_matching_mode(mode_is_live, port, account)


@pytest.mark.parametrize(
    ("mode_is_live", "port", "account", "said"),
    [
        (False, 4002, LIVE, "account is 'U1234567', but must be a paper account"),
        (False, 8888, LIVE, "must be a paper account"),
        (True, 4001, PAPER, "account is 'DU1234567', but must be a live account"),
        (False, 4001, PAPER, "port is 4001, but must be 7497"),
        (False, 7496, PAPER, "7496 is TWS live"),
        (True, 4002, LIVE, "port is 4002, but must be 7496"),
        (True, 7497, LIVE, "7497 is TWS paper"),
    ],
)
def test_what_disagrees_is_refused_with_the_way_out(mode_is_live: bool, port: int, account: str, said: str):
    """7496 and 4001 are live, 7497 and 4002 are paper; DU and DF are paper accounts.

    https://nautilustrader.io/docs/latest/integrations/interactive_brokers/
    """
    with pytest.raises(InvalidValue) as caught:
        require_matching_mode(mode_is_live, port, account)

    assert said in str(caught.value)
