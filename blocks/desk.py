"""The desk: the saved settings of one account, wired to their adapters. The one place where things are put together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Self, TypeVar

from prefect.blocks.core import Block
from prefect.settings import get_current_settings
from pydantic import ValidationError

from adapters.ib.ib_settings import Role
from adapters.prefect_server import require_protected
from adapters.sql.ledger import Ledger as Ledger
from adapters.stored_bars import StoredBars
from blocks.bar_source import BarSource
from blocks.broker_account import BrokerAccount, Mode, Surroundings
from blocks.desk_storage import DeskStorage
from blocks.kept_accounts import keep_account, kept_account
from blocks.kept_channels import keep_channels
from blocks.routes import Route, keep_route
from blocks.session_trail import SessionTrail
from trading.broker import Broker, MarginPreview
from trading.errors import InvalidValue, TradingError
from trading.market import bars
from trading.market.calendars import TradingCalendar
from trading.market.instruments import Equity, Instrument
from trading.market.option_symbols import is_option
from trading.market.universes import Universe

Clock = Callable[[], datetime]
B = TypeVar("B", bound=Block)


def wall_clock() -> datetime:
    """Return the time, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """One bar source with the desk's store of what it gave."""

    settings: BarSource
    source: bars.BarSource
    store: bars.BarStore
    calendar: TradingCalendar
    universe: Universe | None = None

    @classmethod
    def of(cls, settings: BarSource, storage: DeskStorage) -> Self:
        """Wire the source."""
        return cls(
            settings=settings,
            source=settings.source(),
            store=storage.store(),
            calendar=TradingCalendar(settings.mic),
            universe=settings.universe(),
        )

    @classmethod
    def stored(cls, settings: BarSource, storage: DeskStorage, currency: str) -> Self:
        """Wire what the desk has stored of the source in its place."""
        store = storage.store()
        listed = {s: Equity(symbol=s, mic=settings.mic, currency=currency) for s in settings.symbols}
        source = StoredBars(store, settings.name, listed)
        return cls(settings=settings, source=source, store=store, calendar=TradingCalendar(settings.mic))

    def with_fallbacks(self, others: Sequence[BarSource], ledger: Ledger) -> Self:
        """Return it with others behind the source, which stand in for it."""
        return replace(self, source=self.settings.with_fallbacks(others, ledger.providers))

    def instruments(self) -> Mapping[str, Instrument]:
        """Return the instruments asked for, by symbol; one the source does not know is left to its fetch outcome.

        A source takes every symbol for a share. One that names an option is none, and is not sized as one.
        """
        offered = self.source.instruments()
        return {s: offered[s] for s in self.symbols() if s in offered and not is_option(s)}

    def symbols(self, *sessions: date) -> list[str]:
        """Return the symbols asked for; of a universe those that belong on these sessions, or ever when none is named.

        A decision must name its session, or it would look ahead.
        """
        if self.universe is None:
            return self.settings.symbols or list(self.source.instruments())
        if not sessions:
            return list(self.universe.symbols())
        return sorted({symbol for day in sessions for symbol in self.universe.members_on(day)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Everything that the routines of one account work with."""

    account: BrokerAccount
    storage: DeskStorage
    ledger: Ledger
    market: Market
    role: Role = Role.READER

    def broker(self, now: Clock) -> Broker:
        """Return the account's broker at that clock, for what this desk's role may do there."""
        return self.account.broker(self._surroundings(), now, self.role)

    def margin_preview(self, now: Clock) -> MarginPreview | None:
        """Return what tells margin before there is an order; None where the account's broker does not."""
        return self.account.margin_preview(self._surroundings(), now, self.role)

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            engine=self.ledger.engine,
            market=self.market.source,
            on_transition=SessionTrail(self.ledger, self.name, self.role.name.lower()),
        )

    def as_stopper(self) -> "Desk":
        """Return the desk of a person who stops it, whatever the run that trades is doing."""
        return replace(self, role=Role.STOPPER)

    def as_trader(self) -> "Desk":
        """Return the desk of the run that holds the account's lease."""
        return replace(self, role=Role.TRADER)

    @property
    def name(self) -> str:
        """Return the account's name."""
        return self.account.account

    def require_armed(self, now: datetime) -> None:
        """Raise NotArmed when the account is live and no person has armed it for now."""
        if self.account.mode is Mode.LIVE:
            self.ledger.arming.require_armed(self.name, now)

    async def require_protected(self) -> None:
        """Raise NotProtected when the account is live and anyone could start what trades it."""
        if self.account.mode is Mode.LIVE:
            api = get_current_settings().api
            login = api.auth_string or api.key  # the latter at Prefect Cloud
            await require_protected(api.url or "none", login.get_secret_value() if login else None)


async def open_desk(account: str, storage: str) -> Desk:
    """Load the two blocks by name and wire the desk.

    Raises:
        InvalidValue: there is no such block.
    """
    settings = await load(BrokerAccount, account)
    places = await load(DeskStorage, storage)
    if not settings.is_simulated:
        keep_route(places.home, Route(account=settings.account, settings=settings.ib))
    keep_account(places.home, settings)
    keep_channels(places.home, places.alerts)
    return Desk(
        account=settings,
        storage=places,
        ledger=Ledger.of(places),
        market=Market.of(settings.bar_source, places),
    )


def open_kept_desk(account: str, places: DeskStorage) -> Desk | None:
    """Wire the desk by what the account was last opened with, without asking Prefect; None when it never was.

    Raises:
        InvalidValue: what was kept cannot be read.
    """
    settings = kept_account(places.home, account)
    if settings is None:
        return None
    try:
        market = Market.of(settings.bar_source, places)
    except TradingError:  # its provider wants a key, or a file that is gone
        market = Market.stored(settings.bar_source, places, settings.currency)
    return Desk(account=settings, storage=places, ledger=Ledger.of(places), market=market)


async def load(kind: type[B], name: str) -> B:
    """Load a saved block, or say which one is missing, or what is wrong with it."""
    try:
        return await kind.aload(name)
    except ValueError as exc:
        rule = "a saved block; `openbell init` makes the first ones, the UI's Blocks page more"
        raise InvalidValue(f"{kind.get_block_type_slug()} name", name, rule) from exc
    except RuntimeError as exc:
        if not isinstance(exc.__cause__, ValidationError):
            raise
        wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.__cause__.errors(include_input=False)]
        rule = f"mended on the UI's Blocks page: {'; '.join(wrong)}"
    # Not chained: the cause shows what was given, and so secrets.
    raise InvalidValue(f"{kind.get_block_type_slug()} block", name, rule)
