"""A provider that is switched off, or gives other prices than before: nothing is lost, mixed or kept untold."""

import json
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
import yfinance
from prefect.artifacts import Artifact
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from adapters.sample_bars import SampleBars
from adapters.sql.engine import make_engine
from adapters.sql.providers import SqlProviders
from blocks.bar_source import BarSource, Provider
from blocks.desk_storage import DeskStorage
from tests.adapters.test_yahoo_bars import Yahoo, in_range
from tests.flows.desks import FRIDAY, SYMBOLS, TUESDAY, WEDNESDAY, Copy, DeskFolder
from tests.flows.ib_days import raw_bars_in
from trading.errors import InvalidValue
from trading.market.quality import Rule, SymbolVerdict

FIRST = date(2022, 12, 13)  # of ten sessions up to Tuesday


def dying_yahoo(server: HTTPServer, *, after: int) -> Yahoo:
    """Serve the sample's closes, and nothing any more once so many symbols have been served."""
    yahoo = Yahoo(server)

    def answer(request: Request) -> Response:
        symbol = request.path.rsplit("/", 1)[1]
        if len(set(yahoo.asked)) > after:
            return Response("switched off", status=503)
        rows = SampleBars().fetch([symbol], FIRST, WEDNESDAY).bars.frame
        days, closes = [s.date() for s in rows["session"]], list(rows["close"])
        return in_range(request, symbol=symbol, days=days, closes=closes, volumes=[1_000_000] * len(days))

    for symbol in SYMBOLS:
        yahoo.answers(symbol, answer)
    return yahoo


@pytest.mark.parametrize("after", [0, 7, len(SYMBOLS)])
async def test_no_symbol_is_lost_when_the_first_provider_goes_away_and_who_gave_what_is_told(
    empty_desk: DeskFolder, copy_of: Copy, httpserver: HTTPServer, tmp_path: Path, after: int
):
    yfinance.set_tz_cache_location(str(tmp_path / "yfinance"))
    dying_yahoo(httpserver, after=after)
    files = BarSource(name="own-files", provider=Provider.FILES, path=raw_bars_in(tmp_path / "files"))
    await files.asave(f"own-files-{after}")
    source = {
        "name": "us-stocks",
        "provider": "yahoo",
        "symbols": list(SYMBOLS),
        "base_url": httpserver.url_for(""),
        "fallbacks": [f"own-files-{after}"],
    }
    desk = await copy_of(empty_desk, source=source)

    state = await desk.ingest(TUESDAY, history_sessions=10)

    stood_in = after < len(SYMBOLS)
    assert state.message.startswith("us-stocks 2022-12-27: trade, 0 quarantined, 200 bars added")
    report = desk.ledger.facts.quality("us-stocks", TUESDAY)
    verdict = SymbolVerdict.WARN if stood_in else SymbolVerdict.PASS
    assert dict(report.symbols) == dict.fromkeys(SYMBOLS, verdict)
    told = {f.symbol: f for f in report.findings}
    assert {(f.rule, f.value, f.limit) for f in told.values()} == (
        {(Rule.FALLBACK, "own-files", "us-stocks")} if stood_in else set()
    )
    table = await Artifact.aget(key="providers")
    assert table is not None
    assert [row["provider"] for row in json.loads(str(table.data))] == (
        ["own-files", "us-stocks"] if stood_in else ["us-stocks"]
    )
    if stood_in:
        assert len(told) == len(SYMBOLS)
        assert told["XOM"].text.startswith("XOM: given by own-files, since us-stocks did not answer (")
        page = await Artifact.aget(key="quality-verdict")
        assert page is not None
        assert "Stood in: own-files for 20 symbols." in str(page.data)


async def test_a_fallback_that_was_never_saved_is_named(empty_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(empty_desk, source={"fallbacks": ["nobody"]})

    state = await desk.ingest(TUESDAY)

    assert state.is_failed()
    assert "nobody" in str(state.message)


@pytest.mark.parametrize(
    ("provider", "told"),
    [
        ("td_ameritrade", "TD Ameritrade closed on 2024-05-10"),
        ("TD Ameritrade", "TD Ameritrade closed on 2024-05-10"),
        ("iex_cloud", "IEX Cloud closed on 2024-08-31; use yahoo"),
    ],
)
def test_a_provider_that_has_closed_says_when_and_what_to_use(provider: str, told: str):
    with pytest.raises(ValueError, match=told):
        BarSource(name="old", provider=provider)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"provider": "interactive_brokers"}, "no provider that adjusts for splits without telling them"),
        ({"mic": "XTSE"}, "mic of fallbacks other is 'XTSE', but must be XNYS, as that of own"),
    ],
)
def test_who_would_give_other_prices_without_a_word_cannot_stand_in(tmp_path: Path, other: dict[str, str], told: str):
    own = BarSource(name="own", provider=Provider.FILES, path=tmp_path)
    stand_in = BarSource(**({"name": "other", "provider": "files", "path": tmp_path} | other))
    ledger = SqlProviders(make_engine("sqlite://"))

    with pytest.raises(InvalidValue, match=told):
        own.with_fallbacks([stand_in], ledger)


async def test_prices_that_do_not_fit_what_is_stored_before_them_are_held_back_until_all_are_fetched_anew(
    empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path
):
    folder = raw_bars_in(tmp_path / "files", date(2022, 10, 3))
    source = {"name": "own", "provider": "files", "path": folder, "symbols": ["AAPL", "KO"]}
    desk = await copy_of(empty_desk, source=source)
    assert (await desk.ingest(FRIDAY, history_sessions=45)).is_completed()
    rows = pd.read_csv(folder / "KO.csv")
    prices = ["open", "high", "low", "close"]
    rows.assign(**{name: rows[name] / 4 for name in prices}).to_csv(folder / "KO.csv", index=False)  # a split, untold

    held = await desk.ingest(TUESDAY, history_sessions=None)
    findings = desk.ledger.facts.quality("own", TUESDAY).findings
    anew = await desk.ingest(TUESDAY, history_sessions=46)

    assert held.message.startswith("own 2022-12-27: trade, 1 quarantined, 1 bars added, 0 changed")
    assert [(f.symbol, f.rule) for f in findings] == [("KO", Rule.RESTATED)]
    assert "a factor of 0.25; what is stored before no longer fits" in findings[0].text
    assert anew.message.startswith("own 2022-12-27: trade, 0 quarantined")


async def test_a_doubted_dividend_is_not_kept_and_one_that_is_not_doubted_is(
    empty_desk: DeskFolder, copy_of: Copy, tmp_path: Path
):
    folder, actions = raw_bars_in(tmp_path / "files"), tmp_path / "actions.csv"
    lines = ["KO,2022-12-20,dividend,0.44,", "AAPL,2022-12-20,dividend,40,"]
    actions.write_text("\n".join(["symbol,ex_date,type,cash_per_share,split_ratio_new_per_old", *lines]))
    source = {"name": "own", "provider": "files", "path": folder, "actions_path": actions, "symbols": ["AAPL", "KO"]}
    desk = await copy_of(empty_desk, source=source)

    assert (await desk.ingest(TUESDAY, history_sessions=15)).is_completed()

    kept = DeskStorage(home=desk.home).store().actions("own", date(2022, 12, 1), TUESDAY)
    findings = desk.ledger.facts.quality("own", TUESDAY).findings
    assert [(f.symbol, f.rule) for f in findings] == [("AAPL", Rule.DIVIDEND_DOUBTFUL)]
    assert [a.symbol for a in kept] == ["KO"]
