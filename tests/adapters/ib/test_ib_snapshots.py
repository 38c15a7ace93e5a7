"""Quotes and chains when they are wanted, by snapshots, on the simulated gateway."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from adapters.ib.chains import IbChains
from adapters.ib.ib_settings import ContractTerms, IbSettings
from adapters.ib.owner import OwnerLoop
from adapters.ib.quote_source import IbQuoteSource
from adapters.ib.sessions import Sessions
from ib_gateway.gateway import Gateway
from ib_gateway.gateway_settings import GatewaySettings
from ib_gateway.market import Market
from ib_gateway.market_catalogue import Catalogue, full_catalogue
from ib_gateway.scenarios import Action, Fault
from tests.adapters.ib.ib_desk import QUICK
from tests.chain_source_battery import ChainCase, ChainSourceBattery
from tests.quote_source_battery import QuoteCase, QuoteSourceBattery, quote_statuses
from trading.errors import SourceUnavailable, UnknownSymbol
from trading.market.bars import FetchStatus
from trading.market.quotes import QuoteKind
from trading.options.chains import ExerciseStyle

NOW = datetime(2026, 11, 16, 15, tzinfo=UTC)  # 10:00 in New York on a Monday
EXPIRIES = (date(2026, 11, 20), date(2026, 12, 18))
STRIKES = (245.0, 250.0, 255.0, 5950.0, 6000.0)
INDEX = ContractTerms(sec_type="IND", exchange="CBOE")


def a_small_market() -> Market:
    """Return a market with a few options of two expiries, as all of them would take a minute."""
    days = {f"{day:%Y%m%d}" for day in EXPIRIES}
    chosen = [
        listing
        for listing in full_catalogue().all()
        if listing.contract.sec_type != "OPT"
        or (listing.contract.last_trade_date in days and listing.contract.strike in STRIKES)
    ]
    return Market(catalogue=Catalogue(iter(chosen)))


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """Run a gateway in a thread, since snapshots are fetched without an event loop."""
    thread = OwnerLoop()
    gateway = Gateway(GatewaySettings(poll_seconds=0), now=lambda: NOW, market=a_small_market())
    thread.wait(gateway.start())
    gateway.market.set_price("AAPL", Decimal(250))
    gateway.market.set_price("MSFT", Decimal(400))
    yield gateway
    thread.wait(gateway.stop())
    thread.stop()


@pytest.fixture(scope="module")
def sessions() -> Iterator[Sessions]:
    sessions = Sessions()
    yield sessions
    sessions.owner.wait(sessions.end())
    sessions.owner.stop()


@pytest.fixture(autouse=True)
def _as_it_was(gateway: Gateway) -> Iterator[None]:
    yield
    gateway.market.without_live_data.clear()


def settings_of(port: int, **changes: Any) -> IbSettings:
    return IbSettings(**{**QUICK, "port": port, "contracts": {"SPX": INDEX}, **changes})


def quotes_of(
    gateway: Gateway, sessions: Sessions, wanted: QuoteKind = QuoteKind.LIVE, **changes: Any
) -> IbQuoteSource:
    settings = settings_of(gateway.port, **changes)
    return IbQuoteSource(settings=settings, now=lambda: NOW, wanted=wanted, sessions=sessions)


def chains_of(gateway: Gateway, sessions: Sessions, **changes: Any) -> IbChains:
    return IbChains(settings=settings_of(gateway.port, **changes), now=lambda: NOW, sessions=sessions)


class Switched:
    """A source of chains that is pointed at a port where nobody listens."""

    def __init__(self, gateway: Gateway, sessions: Sessions) -> None:
        self._source = chains_of(gateway, sessions)
        self._away = IbChains(settings=settings_of(1), now=lambda: NOW, sessions=sessions)
        self.name = self._source.name

    def fetch(self, underlying: str) -> Any:
        return self._source.fetch(underlying)

    def shut_down(self) -> None:
        self._source = self._away


class TestIbQuoteSource(QuoteSourceBattery):
    @pytest.fixture
    def case(self, gateway: Gateway, sessions: Sessions) -> QuoteCase:
        away = IbQuoteSource(settings=settings_of(1), now=lambda: NOW, sessions=sessions)
        refused = IbQuoteSource(settings=settings_of(1, client_id=50), now=lambda: NOW, sessions=sessions)
        return QuoteCase(
            source=quotes_of(gateway, sessions), symbols=("AAPL", "MSFT"), down=away, refused=refused, secrets=()
        )


class TestIbChains(ChainSourceBattery):
    @pytest.fixture
    def chain_case(self, gateway: Gateway, sessions: Sessions) -> ChainCase:
        switched = Switched(gateway, sessions)
        return ChainCase(
            source=switched,
            underlying="AAPL",
            expiries=EXPIRIES,
            contracts=12,
            shut_down=switched.shut_down,
        )


def test_a_quote_is_what_the_market_shows_and_no_line_is_left_open(gateway: Gateway, sessions: Sessions):
    row = quotes_of(gateway, sessions).fetch(["AAPL"]).quotes.frame.iloc[0]

    assert (row["bid"], row["ask"], row["last"]) == (249.99, 250.01, 250.0)
    assert row["bid_size"] > 0
    assert (row["kind"], gateway.limits.lines) == ("live", set())


def test_delayed_data_are_called_delayed_and_none_that_were_not_paid_for_fail_their_symbol(
    gateway: Gateway, sessions: Sessions
):
    """354 without a subscription, 10167 when delayed data come instead.

    https://interactivebrokers.github.io/tws-api/delayed_data.html
    """
    gateway.market.without_live_data.add("MSFT")

    live = quotes_of(gateway, sessions).fetch(["AAPL", "MSFT"])
    delayed = quotes_of(gateway, sessions, wanted=QuoteKind.DELAYED).fetch(["AAPL", "MSFT"])

    assert quote_statuses(live) == {"AAPL": FetchStatus.OK, "MSFT": FetchStatus.FAILED}
    assert "ib on MSFT: 354: " in live.outcomes[1].text
    assert delayed.quotes.frame["kind"].to_list() == ["live", "delayed"]


def test_a_gateway_that_never_ends_its_snapshot_is_unavailable(gateway: Gateway, sessions: Sessions):
    gateway.faults.add(Fault(on="tickSnapshotEnd", client_id=203, do=Action.DROP))

    with pytest.raises(SourceUnavailable, match="did not finish its answer about a quote of AAPL"):
        quotes_of(gateway, sessions, client_id=200, ask_seconds=0.5).fetch(["AAPL", "MSFT"])


def test_a_chain_has_the_prices_of_the_market_and_no_open_interest(gateway: Gateway, sessions: Sessions):
    chain = chains_of(gateway, sessions).fetch("AAPL")

    option = next(
        listing.contract
        for listing in gateway.market.catalogue.all()
        if (listing.contract.local_symbol == "AAPL  261120C00250000")
    )
    shown = gateway.market.quote(option.con_id, NOW)
    row = chain.frame.set_index(["expiry", "strike", "right"]).loc[("2026-11-20", 250.0, "C")]
    assert (row["bid"], row["ask"], row["last"]) == (float(shown.bid), float(shown.ask), float(shown.last))
    assert np.isnan(row["open_interest"])
    assert (chain.underlying_px, chain.multiplier, chain.style) == (250.0, 100, ExerciseStyle.AMERICAN)


def test_options_on_an_index_are_european(gateway: Gateway, sessions: Sessions):
    chain = chains_of(gateway, sessions).fetch("SPX")

    assert chain.style is ExerciseStyle.EUROPEAN
    assert sorted(set(chain.frame["strike"])) == [5950.0, 6000.0]


def test_one_option_that_is_refused_does_not_spoil_the_others(gateway: Gateway, sessions: Sessions):
    gateway.faults.add(Fault(on="reqMktData", nth=2, client_id=213, do=Action.REJECT, code=200, text="none"))

    frame = chains_of(gateway, sessions, client_id=210).fetch("AAPL").frame

    assert len(frame) == 12
    assert frame["ask"].isna().sum() == 1


def test_no_more_snapshots_are_open_at_once_than_there_are_lines(gateway: Gateway, sessions: Sessions):
    gateway.faults.add(Fault(on="tickSnapshotEnd", client_id=223, do=Action.DELAY, seconds=0.05))

    chains_of(gateway, sessions, client_id=220, quote_lines=2).fetch("AAPL")

    names = [message.name for message in tuple(gateway.wire_log) if message.client_id == 223]
    steps = np.cumsum([(name == "reqMktData") - (name == "tickSnapshotEnd") for name in names])
    assert names.count("reqMktData") == 13
    assert (steps.max(), steps[-1]) == (2, 0)


def test_a_question_about_contracts_that_is_refused_is_no_expiry_without_options(gateway: Gateway, sessions: Sessions):
    fault = Fault(on="reqContractDetails", nth=2, client_id=233, do=Action.REJECT, code=322, text="too many")
    gateway.faults.add(fault)

    with pytest.raises(SourceUnavailable, match="options on AAPL of 20261120: 322: too many"):
        chains_of(gateway, sessions, client_id=230).fetch("AAPL")


def test_an_underlying_without_options_is_not_known_as_one(gateway: Gateway, sessions: Sessions):
    with pytest.raises(UnknownSymbol, match="KO"):
        chains_of(gateway, sessions).fetch("KO")


def test_a_chain_that_is_not_paid_for_says_so(gateway: Gateway, sessions: Sessions):
    gateway.market.without_live_data.add("AAPL")

    with pytest.raises(SourceUnavailable, match="options on AAPL: 354: "):
        chains_of(gateway, sessions).fetch("AAPL")
