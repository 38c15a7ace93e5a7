"""Market data lines: live, frozen and delayed quotes, snapshots, option greeks."""

from collections.abc import Set
from datetime import datetime, timedelta

from ib_gateway.client import Client
from ib_gateway.contracts import ComboLeg, Listing, UnknownContract
from ib_gateway.market_contract_requests import NOT_FOUND, find_listing
from ib_gateway.market_hours import is_open
from ib_gateway.market_layout import read_contract, read_legs
from ib_gateway.market_streams import SECONDS_BETWEEN, Stream
from ib_gateway.market_ticks import (
    DELAYED,
    DELAYED_FROZEN,
    DELAYED_NUMBERS,
    EXTRA_TICKS,
    FROZEN,
    LIVE,
    LIVE_NUMBERS,
    PRICE,
    SIZE,
    TRADE_TICKS,
    Tick,
    day_ticks,
    model_tick,
    quote_ticks,
    time_tick,
    unknown_extras,
)
from ib_gateway.wire import Field, Reader

KIND = "market_data"
DELAY = timedelta(minutes=15)
_SECONDS_BETWEEN_DAY_TICKS = 5


async def market_data_type(client: Client, reader: Reader) -> None:
    """Take 59: what to send from now on where live data are closed, or not paid for."""
    reader.integer()
    wanted = reader.integer()
    if wanted not in (LIVE, FROZEN, DELAYED, DELAYED_FROZEN):
        await client.error(-1, 321, f"Error validating request.-'bH' : cause - Invalid market data type {wanted}")
        return
    client.market_data_type = wanted


def is_trading(client: Client, kind: str, now: datetime) -> bool:
    """Return whether quotes are made now: by the contract's hours, or always where the gateway is set so."""
    return client.gateway.settings.session == "always_open" or is_open(kind, now, extended=True)


def shown_type(client: Client, listing: Listing, now: datetime) -> int | None:
    """Return which kind of data a client gets for a contract; None if what it asks for is not paid for.

    Who has paid gets live data whatever it asks, and the last quotes of a closed market if it asks for frozen ones.
    """
    wanted, trades = client.market_data_type, is_trading(client, listing.contract.sec_type, now)
    symbols = {listing.contract.symbol, listing.under_symbol}
    if not symbols & client.gateway.market.without_live_data:
        return LIVE if trades or wanted in (LIVE, DELAYED) else FROZEN
    if wanted in (LIVE, FROZEN):
        return None
    return DELAYED if trades or wanted == DELAYED else DELAYED_FROZEN


async def market_data(client: Client, reader: Reader) -> None:
    """Answer 1: a line of ticks until it is canceled, or one snapshot of them and its end (57)."""
    reader.integer()
    req_id = reader.integer()
    query = read_contract(reader)
    legs = read_legs(reader) if query.sec_type == "BAG" else ()
    if reader.boolean():  # a delta-neutral contract, of no use here
        reader.texts(3)
    extras = [part.split(":")[0].strip() for part in reader.text().split(",") if part.strip()]
    snapshot = reader.boolean()
    if not await _is_valid(client, req_id, extras, snapshot=snapshot):
        return
    if legs:
        await _combo_line(client, req_id, legs, snapshot=snapshot)
        return
    now = client.gateway.now()
    listing = await find_listing(client, req_id, query, now)
    if listing is None or not await _may_see(client, req_id, listing, now):
        return
    line = Line(client, req_id, listing, extras)
    await _run(client, req_id, line, SECONDS_BETWEEN[listing.contract.sec_type], snapshot=snapshot)


async def _is_valid(client: Client, req_id: int, extras: list[str], *, snapshot: bool) -> bool:
    text = ""
    unknown = unknown_extras(extras)
    if snapshot and extras:
        text = "Snapshot market data subscription is not applicable to generic ticks"
    elif unknown:
        text = f"Incorrect generic tick list of {','.join(unknown)}. Legal ones are: {','.join(EXTRA_TICKS)}"
    if text:
        await client.error(req_id, 321, f"Error validating request.-'bW' : cause - {text}")
        return False
    if (KIND, req_id) in client.subscriptions:
        await client.error(req_id, 102, "Duplicate ticker ID.")
        return False
    return True


async def _may_see(client: Client, req_id: int, listing: Listing, now: datetime) -> bool:
    shown = shown_type(client, listing, now)
    if shown is None:
        where = f"{listing.contract.symbol} {listing.contract.primary_exchange or listing.contract.exchange}/TOP/ALL"
        text = f"Requested market data is not subscribed. Delayed market data is available.{where}"
        await client.error(req_id, 354, text)
        return False
    if shown in (DELAYED, DELAYED_FROZEN):
        text = "Requested market data is not subscribed. Displaying delayed market data."
        await client.error(req_id, 10167, text)
    return True


async def _run(client: Client, req_id: int, line: "Line | ComboLine", seconds: float, *, snapshot: bool) -> None:
    if snapshot:
        line.push()
        await client.send(57, 1, req_id)
        return
    limits = client.gateway.limits
    if not limits.take_line(client.client_id, req_id):
        await client.error(req_id, 101, "Max number of tickers has been reached")
        return
    stream = Stream(client, seconds, line.push, on_end=lambda: limits.free_line(client.client_id, req_id))
    stream.start(KIND, req_id)


async def _combo_line(client: Client, req_id: int, legs: tuple[ComboLeg, ...], *, snapshot: bool) -> None:
    try:
        client.gateway.market.quote_combo(legs, client.gateway.now())
    except UnknownContract:
        await client.error(req_id, 200, NOT_FOUND)
        return
    await _run(client, req_id, ComboLine(client, req_id, legs), SECONDS_BETWEEN["BAG"], snapshot=snapshot)


class _Sender:
    """Sends the ticks that differ from those sent before."""

    def __init__(self, client: Client, req_id: int) -> None:
        self._client = client
        self._req_id = req_id
        self._sent: dict[tuple[int, int], tuple[Field, ...]] = {}

    def send(self, ticks: list[Tick]) -> bool:
        """Send what changed and return whether anything did; a size that changed alone goes as a size."""
        changed = [tick for tick in ticks if self._sent.get((tick.message, tick.number)) != tick.values]
        for tick in changed:
            before = self._sent.get((tick.message, tick.number))
            self._sent[tick.message, tick.number] = tick.values
            if before is not None and tick.size_number is not None and before[0] == tick.values[0]:
                self._client.post(SIZE, 6, self._req_id, tick.size_number, tick.values[1])
            else:
                self._client.post(tick.message, *tick.fields(self._req_id))
        return bool(changed)


class Line(_Sender):
    """One contract's ticks to one client, as its data type says at each moment."""

    def __init__(self, client: Client, req_id: int, listing: Listing, extras: list[str]) -> None:
        super().__init__(client, req_id)
        self._listing = listing
        self._extras = frozenset(extras)
        self._shown: int | None = None
        self._day_ticks_at: datetime | None = None

    def push(self) -> None:
        """Send what is new by now."""
        client, now = self._client, self._client.gateway.now()
        shown = shown_type(client, self._listing, now)
        if shown is None:
            return
        if self._shown is None:
            client.post(81, self._req_id, self._listing.min_tick, "9c0001", 3)
        if shown != self._shown:
            self._shown = shown
            client.post(58, 1, self._req_id, shown)
        self._push_ticks(shown, now)

    def _push_ticks(self, shown: int, now: datetime) -> None:
        market, listing = self._client.gateway.market, self._listing
        kind, con_id = listing.contract.sec_type, listing.contract.con_id
        is_delayed = shown in (DELAYED, DELAYED_FROZEN)
        numbers = DELAYED_NUMBERS if is_delayed else LIVE_NUMBERS
        at = now - DELAY if is_delayed else now
        is_frozen = shown in (FROZEN, DELAYED_FROZEN)
        shows_quotes = is_frozen or is_trading(self._client, kind, at)
        changed = self.send(quote_ticks(kind, market.quote(con_id, at), numbers, shows_quotes=shows_quotes))
        if changed and kind != "CASH":
            self.send([time_tick(at, numbers)])
        if changed and kind == "OPT":
            self.send([model_tick(market, con_id, at, numbers)])
        if self._day_ticks_at is None or (now - self._day_ticks_at).total_seconds() >= _SECONDS_BETWEEN_DAY_TICKS:
            self._day_ticks_at = now
            self.send(day_ticks(kind, market.day(con_id, at), numbers))
            self._push_extras(self._extras, at)
        elif changed:
            self._push_extras(self._extras & TRADE_TICKS, at)

    def _push_extras(self, extras: Set[str], at: datetime) -> None:
        for extra in sorted(extras):
            self.send(EXTRA_TICKS[extra](self._client.gateway.market, self._listing, at))


class ComboLine(_Sender):
    """The net quote of a combo's legs."""

    def __init__(self, client: Client, req_id: int, legs: tuple[ComboLeg, ...]) -> None:
        super().__init__(client, req_id)
        self._legs = legs

    def push(self) -> None:
        """Send what is new by now."""
        quote = self._client.gateway.market.quote_combo(self._legs, self._client.gateway.now())
        numbers = LIVE_NUMBERS
        prices = ((numbers.bid, quote.bid), (numbers.ask, quote.ask), (numbers.last, quote.last))
        self.send([Tick(message=PRICE, number=number, values=(price, 1, 0)) for number, price in prices])


async def cancel_market_data(client: Client, reader: Reader) -> None:
    """Take 2: end a line; 300 if there is none."""
    reader.integer()
    req_id = reader.integer()
    if not client.unsubscribe(KIND, req_id):
        await client.error(req_id, 300, f"Can't find EId with tickerId:{req_id}")
