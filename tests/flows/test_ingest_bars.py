"""Bars come in damaged, late or not at all: each fault is named with its remedy, and nothing is traded on it."""

from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from prefect.artifacts import Artifact

from adapters.sample_bars import SampleBars
from tasks.fetch import fetch_bars
from tests.flows.desks import FRIDAY, HOLIDAY, SYMBOLS, TUESDAY, WEDNESDAY, Copy, DeskFolder
from trading.market.quality import DayVerdict, Finding, OnBadSymbol, QualityPolicy, Rule, SymbolVerdict

THURSDAY = date(2022, 12, 22)
HEALTHY = ("HD", "LLY", "MRK", "MSFT", "PEP", "PFE", "PG", "RRC", "UNH", "WMT", "XOM")


def sample_folder(folder: Path, symbols: tuple[str, ...] = SYMBOLS, last: date = WEDNESDAY) -> Path:
    """Write the sample's last months as one CSV for each symbol; the close stands for the other prices."""
    folder.mkdir()
    frame = SampleBars().fetch(symbols, date(2022, 10, 3), last).bars.frame
    for symbol, rows in frame.groupby("symbol"):
        close = rows["close"]
        bars = pd.DataFrame({"Date": rows["session"].dt.strftime("%Y-%m-%d"), "Open": close, "High": close})
        bars.assign(Low=close, Close=close, Volume=1_000_000).to_csv(folder / f"{symbol}.csv", index=False)
    return folder


def damage(folder: Path, symbol: str, *, last: date = TUESDAY, **changes: object) -> None:
    """Rewrite one file up to a session: `factor` multiplies the last bar's prices, `without` leaves a session out..."""
    path = folder / f"{symbol}.csv"
    bars = pd.read_csv(path)
    bars = bars[bars["Date"] <= last.isoformat()]
    prices, newest = ["Open", "High", "Low", "Close"], bars.index[-1]
    if "factor" in changes:
        bars.loc[newest, prices] = bars.loc[newest, prices].astype(float) * changes["factor"]
    if "without" in changes:
        bars = bars[bars["Date"] != str(changes["without"])]
    if "again" in changes:
        bars = pd.concat([bars, bars.tail(1).assign(Close=changes["again"])])
    if "holiday" in changes:
        bars = pd.concat([bars, bars.tail(1).assign(Date=str(changes["holiday"]))]).sort_values("Date")
    bars.to_csv(path, index=False)


def damaged_folder(folder: Path) -> Path:
    """Write the sample with one fault of each kind."""
    sample_folder(folder)
    damage(folder, "AAPL", factor=float("nan"))
    damage(folder, "AMD", factor=0)
    damage(folder, "BAC", factor=-1)
    damage(folder, "BBY", factor=100)
    damage(folder, "CVX", again=1.0)
    damage(folder, "GE", without=THURSDAY)
    damage(folder, "HD", last=WEDNESDAY, holiday=HOLIDAY)
    damage(folder, "JNJ", last=FRIDAY)
    damage(folder, "KO", last=date(2022, 10, 31))
    (folder / "JPM.csv").unlink()
    return folder


def files(folder: Path, **policy: object) -> dict[str, object]:
    """Return the settings of a source that reads the folder."""
    settings = {"name": "own", "provider": "files", "path": folder, "symbols": list(SYMBOLS)}
    return settings | {"quality": QualityPolicy(**policy)}


def findings_of(desk: DeskFolder) -> dict[str, Finding]:
    """Return the first finding of each symbol."""
    report = desk.ledger.facts.quality("own", TUESDAY)
    return {finding.symbol: finding for finding in reversed(report.findings)}


# -- damaged bars


async def test_each_fault_in_the_bars_is_recorded_with_value_rule_and_remedy(
    empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path
):
    desk = await copy_of(empty_desk, source=files(damaged_folder(tmp_path / "bars")))

    state = await desk.ingest(TUESDAY)

    found = {symbol: (f.rule, f.session, f.value) for symbol, f in findings_of(desk).items()}
    bby = SampleBars().fetch(["BBY"], FRIDAY, TUESDAY).bars.frame["close"].tolist()
    assert state.message.startswith("own 2022-12-27: trade, 9 quarantined")
    assert found == {
        "AAPL": (Rule.PRICE_MISSING, TUESDAY, "4 of its prices absent or infinite"),
        "AMD": (Rule.PRICE_NOT_POSITIVE, TUESDAY, "lowest price 0"),
        "BAC": (Rule.PRICE_NOT_POSITIVE, TUESDAY, found["BAC"][2]),
        "BBY": (Rule.UNIT_ERROR, TUESDAY, found["BBY"][2]),
        "CVX": (Rule.DUPLICATE, TUESDAY, "a second bar, other values (close 1)"),
        "GE": (Rule.MISSING_SESSION, THURSDAY, "1 session missing before 2022-12-23"),
        "HD": (Rule.NOT_A_SESSION, HOLIDAY, "a bar on 2022-12-26 00:00:00"),
        "JNJ": (Rule.STALE, TUESDAY, "last bar 2022-12-23, 1 session behind"),
        "JPM": (Rule.UNKNOWN_SYMBOL, None, "unknown_symbol"),
        "KO": (Rule.NO_BARS, None, "no_bars"),
    }
    assert found["BAC"][2].startswith("lowest price -")
    assert found["BBY"][2] == f"close {100 * bby[1]:g} after {bby[0]:g}, a factor of {100 * bby[1] / bby[0]:.4g}"
    for symbol, finding in findings_of(desk).items():
        assert finding.text.startswith(symbol)
        assert finding.value in finding.text or finding.rule in (Rule.UNKNOWN_SYMBOL, Rule.NO_BARS)
        assert "; " in finding.text  # the remedy
    (alert,) = desk.alerts()
    assert alert.title == "Bars of own for 2022-12-27: trade, 9 symbols quarantined"


async def test_a_bad_symbol_is_not_traded_and_the_others_are(empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path):
    desk = await copy_of(empty_desk, source=files(damaged_folder(tmp_path / "bars")))
    await desk.ingest(TUESDAY)

    state = await desk.trade(WEDNESDAY)

    assert state.message == "2022-12-28: 11 orders sent, 11 of 11 filled, 0 working"
    assert desk.at_broker() == list(HEALTHY)


async def test_one_bad_symbol_holds_the_day_where_the_policy_says_so(
    empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path
):
    folder = sample_folder(tmp_path / "bars")
    damage(folder, "AAPL", factor=0)
    desk = await copy_of(empty_desk, source=files(folder, on_bad_symbol=OnBadSymbol.BLOCK_DAY))

    ingested = await desk.ingest(TUESDAY)
    refused = await desk.trade(WEDNESDAY)

    assert ingested.name == "Held"
    assert ingested.is_completed()
    assert "BarsNotPassed: bars of own for 2022-12-27 are not passed: the gate holds the day" in refused.message
    assert "AAPL: AAPL on 2022-12-27: PRICE_NOT_POSITIVE: lowest price 0; wanted: greater than 0" in refused.message
    assert desk.at_broker() == []
    assert desk.alerts()[0].title == "Bars of own for 2022-12-27: hold, 1 symbols quarantined"


async def test_a_held_day_is_traded_once_the_bars_are_mended(empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path):
    folder = sample_folder(tmp_path / "bars")
    mended = (folder / "AAPL.csv").read_bytes()
    damage(folder, "AAPL", factor=100)
    desk = await copy_of(empty_desk, source=files(folder, on_bad_symbol=OnBadSymbol.BLOCK_DAY))
    await desk.ingest(TUESDAY)
    assert (await desk.trade(WEDNESDAY)).is_failed()

    (folder / "AAPL.csv").write_bytes(mended)
    await desk.ingest(TUESDAY)
    state = await desk.trade(WEDNESDAY)

    assert desk.ledger.facts.quality("own", TUESDAY).day_verdict is DayVerdict.TRADE
    assert state.message == "2022-12-28: 20 orders sent, 20 of 20 filled, 0 working"


async def test_a_position_whose_bars_are_bad_is_left_alone(empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path):
    folder = sample_folder(tmp_path / "bars", last=TUESDAY)
    desk = await copy_of(empty_desk, source=files(folder))
    await desk.ingest(FRIDAY)
    assert (await desk.trade(TUESDAY)).message.endswith("20 of 20 filled, 0 working")
    damage(folder, "KO", factor=0)

    await desk.ingest(TUESDAY)
    await desk.trade(WEDNESDAY, sizing={"drift_band_pct": 0, "min_trade_notional": 0})

    (target,) = [t for t in desk.ledger.journal.last_decision("paper")["targets"] if t["symbol"] == "KO"]
    assert target["reason"].startswith("quarantined: KO on 2022-12-27: PRICE_NOT_POSITIVE")
    assert target["target_qty"] == target["held_qty"] != "0"
    assert "KO" not in desk.orders(WEDNESDAY)
    assert desk.orders(WEDNESDAY)


# -- running again, and running without a source


async def test_running_an_ingestion_again_changes_nothing(fresh_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(fresh_desk)
    before = desk.ledger.facts.quality("sample", TUESDAY).verdict_id

    state = await desk.ingest(TUESDAY)

    assert state.message == "sample 2022-12-27: trade, 0 quarantined, 0 bars added, 0 changed"
    assert desk.ledger.facts.quality("sample", TUESDAY).verdict_id == before
    verdicts = [v for _, v in desk.ledger.facts.quality("sample", TUESDAY).symbols]
    assert verdicts == [SymbolVerdict.PASS] * 20


async def test_half_written_files_of_a_killed_run_are_no_harm(empty_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(empty_desk)
    for name in ("staging/sample-2022-12-27.parquet", "bars/sample/.2022-12.parquet.part"):
        torn = desk.home / name
        torn.parent.mkdir(parents=True, exist_ok=True)
        torn.write_bytes(b"PAR1 and no more")

    state = await desk.ingest(TUESDAY)

    assert state.message.startswith("sample 2022-12-27: trade, 0 quarantined, ")
    assert (await desk.trade(WEDNESDAY)).message.startswith("2022-12-28: 20 orders sent")


async def test_a_source_that_is_away_fails_the_run_and_the_next_one_goes_through(
    empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fetch_bars, "retry_delay_seconds", [0, 0])
    desk = await copy_of(empty_desk, source=files(tmp_path / "bars"))

    failed = await desk.ingest(TUESDAY)
    (alert,) = desk.alerts()
    sample_folder(tmp_path / "bars")
    ingested = await desk.ingest(TUESDAY)
    traded = [await desk.trade(WEDNESDAY), await desk.trade(WEDNESDAY)]

    assert f"SourceUnavailable: own is unavailable: there is no file or folder {tmp_path / 'bars'}" in failed.message
    assert alert.title == "ingest-bars Failed"
    assert ingested.message.startswith("own 2022-12-27: trade, 0 quarantined")
    assert [t.message[:30] for t in traded] == ["2022-12-28: 20 orders sent, 20", "2022-12-28: 0 orders sent, 20 "]
    assert desk.at_broker() == list(SYMBOLS)


async def test_a_source_that_comes_back_is_asked_again_within_the_run(
    empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    hidden = sample_folder(tmp_path / "hidden")
    desk = await copy_of(empty_desk, source=files(tmp_path / "bars"))
    monkeypatch.setattr(fetch_bars, "retry_delay_seconds", [0, 0])
    monkeypatch.setattr(fetch_bars, "retry_condition_fn", lambda *_: hidden.rename(tmp_path / "bars").is_dir())

    state = await desk.ingest(TUESDAY)

    assert state.message.startswith("own 2022-12-27: trade, 0 quarantined")


async def test_a_session_that_has_not_closed_is_not_ingested(empty_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(empty_desk)

    state = await desk.ingest(date(2035, 3, 15))

    assert "SessionNotReached: session 2035-03-15 has not come yet" in state.message


async def test_the_pages_of_the_last_sessions_are_kept_and_linked(
    fresh_desk: DeskFolder, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tasks.check.KEPT_PAGES", 2)
    desk = await copy_of(fresh_desk)

    for session in (THURSDAY, FRIDAY, TUESDAY):
        await desk.ingest(session)

    kept = sorted(path.name for path in (desk.home / "quality" / "sample").iterdir())
    page = await Artifact.aget(key="quality-verdict")
    assert kept == ["2022-12-23", "2022-12-27"]
    assert page is not None
    assert "/quality/sample/2022-12-27/" in str(page.data)
