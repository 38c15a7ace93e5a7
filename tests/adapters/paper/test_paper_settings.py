"""What trading costs: the commission that Interactive Brokers publishes, the spread and the slippage."""

from decimal import Decimal

import pytest

from adapters.paper.matching import cut, px_with_costs
from adapters.paper.paper_settings import PaperSettings
from trading.orders.orders import Side


@pytest.mark.parametrize(
    ("shares", "px", "commission"),
    [
        # Interactive Brokers, Commissions Stocks, United States, "Fixed Examples"
        ("100", "25", "1.00"),
        ("1000", "25", "5.00"),
        ("1000", "0.25", "2.50"),
        # Where the maximum is less than the minimum, the maximum is charged: 1 % of 10 x 0.20
        ("10", "0.20", "0.02"),
    ],
)
def test_the_commission_is_the_published_one(shares: str, px: str, commission: str):
    qty = Decimal(shares)

    assert PaperSettings().commission(qty, qty * Decimal(px)) == Decimal(commission)


def test_a_market_order_pays_half_the_spread_and_the_slippage_on_the_tick_against_it():
    settings = PaperSettings(spread_bp=Decimal(2), slippage_bp=Decimal(1))
    cent = Decimal("0.01")

    assert px_with_costs(Side.BUY, Decimal(100), cent, settings) == Decimal("100.02")
    assert px_with_costs(Side.SELL, Decimal(100), cent, settings) == Decimal("99.98")
    assert px_with_costs(Side.BUY, Decimal(10), cent, settings) == Decimal("10.01")  # 10.002 is between two ticks
    assert px_with_costs(Side.SELL, Decimal("0.01"), cent, settings) == Decimal("0.01")  # never for nothing


def test_a_quantity_is_cut_into_whole_lots_that_add_up_and_the_seed_repeats_them():
    pieces = cut(Decimal(1000), Decimal(10), 7, "0/o-1")

    assert len(pieces) == 7
    assert sum(pieces) == 1000
    assert all(piece > 0 and piece % 10 == 0 for piece in pieces)
    assert cut(Decimal(1000), Decimal(10), 7, "0/o-1") == pieces
    assert cut(Decimal(1000), Decimal(10), 7, "1/o-1") != pieces
    assert cut(Decimal(20), Decimal(10), 7, "0/o-1") == (10, 10)
    assert cut(Decimal(10), Decimal(10), 7, "0/o-1") == (10,)
