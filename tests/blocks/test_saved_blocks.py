"""Settings and secrets as the Prefect UI keeps and shows them."""

import traceback
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from prefect import get_client
from prefect.blocks.core import Block
from prefect.client.schemas.actions import BlockDocumentUpdate
from prefect.types import SecretDict
from pydantic import SecretStr, ValidationError

from adapters.alpaca_access import AlpacaFeed
from adapters.ib.ib_settings import ContractTerms, IbSettings
from blocks.alert_channels import AlertChannels, ChannelRules
from blocks.bar_source import BarSource, Provider
from blocks.broker_account import BrokerAccount, Mode
from blocks.desk import load
from blocks.desk_storage import DeskStorage
from blocks.market_feed import MarketFeed
from blocks.risk_limits import RiskLimitsBlock
from trading.alerts import Severity
from trading.errors import InvalidValue, SourceUnavailable
from trading.market.minute_checks import MinutePolicy
from trading.market.quality import OnBadSymbol, QualityPolicy
from trading.market.quote_rules import QuotePolicy
from trading.options.chain_quality import ChainPolicy
from trading.risk.limits import RiskLimits

BLOCKS = (AlertChannels, BarSource, BrokerAccount, DeskStorage, MarketFeed, RiskLimitsBlock)
SECRET = "tgram://123456:ABC-secret/42"
LEDGER_URL = "postgresql+psycopg://openbell:pa55word@db/openbell"


def some_blocks() -> dict[str, Block]:
    """Return one block of each kind, none of whose values is the default."""
    quality = QualityPolicy(on_bad_symbol=OnBadSymbol.BLOCK_DAY, min_passed_pct=90.0)
    source = BarSource(
        name="mine",
        provider=Provider.FILES,
        mic="XNAS",
        symbols=["KO"],
        path=Path("/data/bars"),
        quality=quality,
        api_key=SecretStr(SECRET),
        fallbacks=["others"],
    )
    limits = RiskLimitsBlock(limits=RiskLimits(max_order_notional=Decimal("1234.56"), blocked_symbols=("GE",)))
    alerts = AlertChannels(
        urls=[SecretStr(SECRET), SecretStr("json://127.0.0.1:1")],
        named_urls=SecretDict({"phone": "tgram://987:named-pa55word/1"}),
        rules=[ChannelRules(name="phone", floor=Severity.CRITICAL, quiet_from=time(22), quiet_until=time(7))],
        ping_url=SecretStr("https://hc-ping.com/ping-pa55word"),
    )
    return {
        "source": source,
        "limits": limits,
        "alerts": alerts,
        "feed": MarketFeed(
            name="quotes",
            provider=Provider.ALPACA,
            api_key=SecretStr(SECRET),
            feed=AlpacaFeed.IEX,
            quote_quality=QuotePolicy(delayed_allowed=True),
            chain_quality=ChainPolicy(max_bad_pct=5.0),
            minute_quality=MinutePolicy(max_gap_minutes=5.0),
        ),
        "account": BrokerAccount(account="DU7", mode=Mode.SHADOW, bar_source=source, risk_limits=limits),
        "storage": DeskStorage(
            home=Path("/desk"),
            ledger_url=SecretStr(LEDGER_URL),
            bars_url="s3://bars/desk",
            bars_storage_options=SecretDict({"aws_secret_access_key": "s3/pa55word"}),
            alerts=alerts,
        ),
    }


def values(block: Block) -> dict[str, Any]:
    """Return the block's own fields, without what Prefect adds when it saves one."""
    return {name: _plain(getattr(block, name)) for name in type(block).model_fields}


def _plain(value: Any) -> Any:
    if isinstance(value, Block):
        return values(value)
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value.get_secret_value() if isinstance(value, SecretStr | SecretDict) else value


@pytest.mark.parametrize("kind", ["source", "limits", "alerts", "feed", "account", "storage"])
async def test_a_saved_block_is_loaded_as_it_was(kind: str, prefect_harness: None):
    block = some_blocks()[kind]

    await block.asave(f"as-it-was-{kind}")
    loaded = await type(block).aload(f"as-it-was-{kind}")

    assert values(loaded) == values(block)


async def test_a_change_of_shared_limits_reaches_every_account_that_refers_to_them(prefect_harness: None):
    limits = RiskLimitsBlock()
    source = BarSource(name="sample")
    await limits.asave("shared-limits")
    await source.asave("shared-bars")
    for name in ("first", "second"):
        await BrokerAccount(account=name, bar_source=source, risk_limits=limits).asave(f"shares-{name}")

    await RiskLimitsBlock(limits=RiskLimits(max_orders_per_day=3)).asave("shared-limits", overwrite=True)

    for name in ("first", "second"):
        account = await BrokerAccount.aload(f"shares-{name}")
        assert account.risk_limits.limits.max_orders_per_day == 3


async def test_secrets_are_not_in_what_the_server_shows(prefect_harness: None):
    await some_blocks()["storage"].asave("with-secrets")
    slug = DeskStorage.get_block_type_slug()

    async with get_client() as client:
        shown = await client.read_block_document_by_name("with-secrets", slug, include_secrets=False)
        whole = await client.read_block_document_by_name("with-secrets", slug, include_secrets=True)

    assert "pa55word" not in shown.model_dump_json()
    assert "ABC-secret" not in shown.model_dump_json()
    assert whole.data["ledger_url"] == LEDGER_URL
    assert whole.data["bars_storage_options"] == {"aws_secret_access_key": "s3/pa55word"}
    assert whole.data["alerts"]["urls"][0] == SECRET


def test_a_block_that_is_printed_shows_no_secret():
    for block in some_blocks().values():
        assert "pa55word" not in repr(block)
        assert "ABC-secret" not in repr(block)


@pytest.mark.parametrize(
    "limit", ["max_order_notional", "max_position_pct", "max_gross_leverage", "max_orders_per_day", "price_band_pct"]
)
def test_a_limit_below_zero_is_refused_by_name(limit: str):
    with pytest.raises(ValidationError, match=rf"{limit}\n  Input should be greater than 0"):
        RiskLimitsBlock(limits={limit: -1})


def test_live_mode_on_the_paper_broker_is_refused_with_the_way_out():
    with pytest.raises(ValidationError, match="mode is 'live', but the built-in paper broker has no real money; use"):
        BrokerAccount(account="DU7", mode=Mode.LIVE, bar_source=BarSource(name="sample"))


def test_a_source_of_files_needs_a_path():
    with pytest.raises(InvalidValue, match="path of own is None, but must be a folder or file"):
        BarSource(name="own", provider=Provider.FILES).source()


def test_what_interactive_brokers_quotes_in_another_currency_is_listed_in_that():
    ib = IbSettings(contracts={"SHOP": ContractTerms(currency="CAD")})

    source = BarSource(name="ib", provider=Provider.INTERACTIVE_BROKERS, symbols=["AAPL", "SHOP"], ib=ib).source()

    assert {s: i.currency for s, i in source.instruments().items()} == {"AAPL": "USD", "SHOP": "CAD"}


def test_a_source_of_yahoo_needs_symbols():
    with pytest.raises(InvalidValue, match=r"symbols of y is \[\], but must be named when the provider is yahoo"):
        BarSource(name="y", provider=Provider.YAHOO).source()


async def test_a_block_that_was_never_saved_is_named(prefect_harness: None):
    with pytest.raises(InvalidValue, match="openbell-broker-account name is 'nobody', but must be a saved block"):
        await load(BrokerAccount, "nobody")


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
def test_every_field_of_a_form_is_described(block: type[Block]):
    schema = block.model_json_schema()
    own = {block.__name__: schema} | schema.get("definitions", {})

    undescribed = [
        f"{name}.{field}"
        for name, part in own.items()
        for field, about in part.get("properties", {}).items()
        if not about.get("description")
    ]

    assert undescribed == []


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
def test_every_block_says_what_it_is_for(block: type[Block]):
    assert block._block_type_name.startswith("Openbell ")
    assert block.get_description()


def test_a_source_that_follows_a_universe_offers_all_that_ever_belonged(tmp_path: Path):
    path = tmp_path / "index.csv"
    path.write_text("symbol,first,last\nKO,2020-01-02,2022-12-27\nPEP,2022-12-28,\n")

    source = BarSource(name="mine", provider=Provider.YAHOO, universe_path=path).source()

    assert set(source.instruments()) == {"KO", "PEP"}


@pytest.mark.parametrize("provider", ["alpha_vantage", "nasdaq_data_link"])
def test_a_provider_that_wants_a_key_is_asked_with_it_and_not_without(provider: str):
    key = SecretStr("s3cret")
    whole = BarSource(name="mine", provider=provider, symbols=["KO"], api_key=key, base_url="http://127.0.0.1:1")

    with pytest.raises(SourceUnavailable, match="mine is unavailable") as caught:
        whole.source().fetch(["KO"], date(2024, 3, 15), date(2024, 3, 15))
    with pytest.raises(InvalidValue, match=f"api_key of mine is None, .* {provider}"):
        BarSource(name="mine", provider=provider, symbols=["KO"]).source()

    assert "s3cret" not in f"{caught.value} {whole!r} {whole.model_dump_json()}"


KINDS = {
    "quotes": {"yahoo", "alpaca", "massive", "alpha_vantage", "interactive_brokers"},
    "stream": {"alpaca", "interactive_brokers", "iqfeed"},
    "ticks": {"sample", "yahoo", "alpaca", "massive", "alpha_vantage", "interactive_brokers", "iqfeed"},
    "chains": {"yahoo", "alpaca", "massive", "alpha_vantage", "interactive_brokers"},
    "minutes": {"yahoo", "iqfeed"},
    "indices": {"yahoo", "massive"},
    "news": {"alpaca", "massive", "alpha_vantage", "iqfeed"},
    "events": {"alpha_vantage"},
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_feed_gives_what_its_provider_has_and_says_what_it_has_not(kind: str):
    keys = {"api_key": SecretStr("AKEY"), "api_secret": SecretStr("ASECRET"), "base_url": "http://127.0.0.1:1"}
    feeds = {provider.value: MarketFeed(name="mine", provider=provider, **keys) for provider in Provider}

    given, refused = set(), {}
    for provider, feed in feeds.items():
        try:
            getattr(feed, kind)(*([lambda symbols: {}] if kind == "ticks" else []))
            given.add(provider)
        except InvalidValue as exc:
            refused[provider] = str(exc)

    assert given == KINDS[kind]
    assert set(refused) == set(feeds) - given
    assert all(f"provider of mine is <Provider.{name.upper()}" in text for name, text in refused.items())


def test_plain_addresses_are_channels_that_hear_everything_and_named_ones_go_by_their_rules():
    policy = some_blocks()["alerts"].policy()

    assert policy.told_at_once(Severity.INFO) == ("channel 1 (tgram)", "channel 2 (json)")
    assert policy.told_at_once(Severity.CRITICAL) == ("channel 1 (tgram)", "channel 2 (json)", "phone")


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({}, "urls and named_urls are empty"),
        ({"urls": ["json://a"], "rules": [{"name": "phone"}]}, r"must be for one of channel 1 \(json\)"),
        ({"named_urls": {"a": "json://a"}, "rules": [{"name": "a"}, {"name": "a"}]}, "different for each channel"),
        ({"named_urls": {"a": "json://a"}, "rules": [{"name": "a", "quiet_from": "22:00"}]}, "given with both ends"),
        ({"named_urls": {"a": "json://a"}, "rules": [
            {"name": "a", "quiet_from": "22:00", "quiet_until": "07:00", "time_zone": "Mars/Base"}]}, "an IANA name"),
        ({"urls": ["json://a"], "ping_url": "ftp://pa55word"}, "must be an address of http or https"),
    ],
)  # fmt: skip
def test_channels_that_cannot_work_are_refused_with_the_rule(settings: dict[str, Any], rule: str):
    with pytest.raises(ValidationError, match=rule) as refused:
        AlertChannels(**settings)
    with pytest.raises(ValidationError, match=rule) as refused_with_it:
        DeskStorage(home=Path("/desk"), alerts=settings)

    assert "Value error" in str(refused.value)
    assert "pa55word" not in str(refused.value) + str(refused_with_it.value)


async def test_a_saved_block_that_was_made_wrong_on_the_blocks_page_is_refused_without_its_secrets(
    prefect_harness: None,
):
    await AlertChannels(urls=[SecretStr("json://ada:pa55word@a")]).asave("wrong")
    async with get_client() as client:
        document = await client.read_block_document_by_name("wrong", "openbell-alert-channels", include_secrets=True)
        wrong = document.data | {"rules": [{"name": "nobody"}]}  # as the page saves it, which knows no such rule
        await client.update_block_document(document.id, BlockDocumentUpdate(data=wrong))

    with pytest.raises(InvalidValue, match=r"mended on the UI's Blocks page: .*rules are for nobody") as refused:
        await load(AlertChannels, "wrong")

    assert "pa55word" not in "".join(traceback.format_exception(refused.value))


def test_an_address_without_a_scheme_does_not_become_the_name_of_its_channel():
    channels = AlertChannels(urls=[SecretStr("pa55word"), SecretStr("ada:pa55word@a")])

    assert [c.name for c in channels.channels()] == ["channel 1 (no scheme)", "channel 2 (no scheme)"]


def test_a_feed_says_of_how_many_symbols_it_tells_at_once():
    """Alpaca's free plan has 30 channels, of which a symbol takes two; one who pays has any number."""
    keys = {"api_key": SecretStr("AKEY"), "api_secret": SecretStr("ASECRET"), "feed": "iex"}

    room = {
        provider: MarketFeed(name="mine", provider=provider, **keys).most_symbols
        for provider in (Provider.INTERACTIVE_BROKERS, Provider.ALPACA, Provider.IQFEED, Provider.YAHOO)
    }

    assert list(room.values()) == [100, 15, None, None]
    assert MarketFeed(name="mine", provider=Provider.ALPACA, **keys | {"feed": "sip"}).most_symbols is None
