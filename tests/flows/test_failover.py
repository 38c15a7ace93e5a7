"""A provider that is switched off in the middle of an ingestion: another one stands in, and it is told."""

import json
from datetime import date
from pathlib import Path

import pytest
import yfinance
from prefect.artifacts import Artifact
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from adapters.sample_bars import SampleBars
from blocks.bar_source import BarSource, Provider
from tests.adapters.test_yahoo_bars import Yahoo, in_range
from tests.flows.desks import SYMBOLS, TUESDAY, WEDNESDAY, Copy, DeskFolder
from tests.flows.ib_days import raw_bars_in
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
