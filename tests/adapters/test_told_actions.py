"""What a provider does not tell is told by a file; what it tells itself counts."""

from datetime import date
from decimal import Decimal
from pathlib import Path

from adapters.sample_bars import SampleBars
from adapters.told_actions import ToldActions
from blocks.bar_source import BarSource, Provider
from trading.market.corporate_actions import CashMerger, Delisting, Rename

DAY, LAST = date(2022, 12, 20), date(2022, 12, 28)
RENAME = Rename(symbol="KO", ex_date=DAY, new_symbol="COKE")
BID = CashMerger(symbol="PEP", ex_date=date(2023, 1, 3), amount_per_share=Decimal(200))
LATER = Delisting(symbol="KO", ex_date=date(2023, 3, 1))


def test_the_actions_told_come_with_the_symbols_and_the_range_asked():
    source = ToldActions(SampleBars(), (RENAME, BID, LATER))

    assert source.fetch(["KO", "PEP"], DAY, LAST).actions == (RENAME, BID)
    assert source.fetch(["PEP"], DAY, LAST).actions == (BID,)
    assert source.fetch(["KO"], date(2022, 12, 21), LAST).actions == ()


def test_what_the_source_tells_itself_counts():
    other = Rename(symbol="KO", ex_date=DAY, new_symbol="COLA")

    fetched = ToldActions(ToldActions(SampleBars(), (RENAME,)), (other,)).fetch(["KO"], DAY, LAST)

    assert fetched.actions == (RENAME,)


def test_any_source_may_be_told_by_a_file(tmp_path: Path):
    path = tmp_path / "actions.csv"
    path.write_text("symbol,ex_date,type,new_symbol\nKO,2022-12-20,rename,COKE\n")

    source = BarSource(name="sample", provider=Provider.SAMPLE, actions_path=path).source()

    assert source.fetch(["KO"], DAY, LAST).actions == (RENAME,)
