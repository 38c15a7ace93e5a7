"""Historical bars: which ones a request means, and what is in them."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

from ib_gateway.contracts import Listing, increment_at
from ib_gateway.market import Market
from ib_gateway.market_bar_terms import DAY, WEEK, WHAT_TO_SHOW, BadBarRequest, Bar, BarRequest, invalid
from ib_gateway.market_hours import NEW_YORK, Period, latest_period, periods, wall_time, weekdays
from ib_gateway.market_prices import WALK_BEGINS, PriceSource, RawBar
from ib_gateway.market_replay import ReplayPrices, merged


def history(market: Market, con_id: int, request: BarRequest) -> list[Bar]:
    """Return the bars a request means, oldest first; the last one ends at the request's end if it is unfinished.

    Raises:
        BadBarRequest: there is no such data for this kind of contract, or too much is asked.
        UnknownContract: there is no contract with this id.
    """
    return list(each_bar(market, con_id, request))


def each_bar(market: Market, con_id: int, request: BarRequest) -> Iterator[Bar]:
    """Make the bars of `history` one by one, for who has other things to do between."""
    listing = market.listing(con_id)
    _check(listing, request)
    if request.end.date() <= WALK_BEGINS:
        return
    source = market.source(con_id)
    kept = [period for period in _wanted_periods(listing, source, request) if _is_wanted(period, request)]
    for day, first, parts in _grid(kept, request):
        raw = merged(first, [source.bar(*part) for part in parts])
        if raw is not None:
            yield _shown(market, listing, request, day, raw)


def head(market: Market, con_id: int) -> datetime:
    """Return when the oldest history of a contract begins."""
    listing = market.listing(con_id)
    source = market.source(con_id)
    if isinstance(source, ReplayPrices):
        return source.begins
    return periods(listing.contract.sec_type, WALK_BEGINS + timedelta(days=1))[0].opens


def sessions(listing: Listing, request: BarRequest) -> list[tuple[date, datetime, datetime]]:
    """Return the trading days a request reaches back to, with when each opens and closes."""
    days: dict[date, list[Period]] = {}
    for day in _wanted_days(listing, request):
        days[day] = [period for period in periods(listing.contract.sec_type, day) if _is_wanted(period, request)]
    return [(day, parts[0].opens, parts[-1].closes) for day, parts in days.items() if parts]


def _check(listing: Listing, request: BarRequest) -> None:
    kind = listing.contract.sec_type
    if request.what not in WHAT_TO_SHOW:
        raise invalid(f"What to show '{request.what}' is not one of {sorted(WHAT_TO_SHOW)}")
    no_trades = kind == "CASH" and request.what in ("TRADES", "ADJUSTED_LAST")
    no_quotes = kind == "IND" and request.what != "TRADES"
    if no_trades or no_quotes:
        name = f"{listing.contract.symbol}@{listing.contract.exchange} {request.what.title()}"
        raise BadBarRequest(162, f"Historical Market Data Service error message:No historical market data for {name}")
    if request.bar_seconds < 60 and request.duration[1] in "MY":
        raise BadBarRequest(162, "Historical Market Data Service error message:Time length exceed max.")


def _is_wanted(period: Period, request: BarRequest) -> bool:
    return period.opens < request.end and (period.regular or not request.regular_only)


def _wanted_periods(listing: Listing, source: PriceSource, request: BarRequest) -> Iterator[Period]:
    """The stretches of the trading days a duration reaches back to."""
    begins = source.begins.astimezone(NEW_YORK).date() if isinstance(source, ReplayPrices) else WALK_BEGINS
    for day in _wanted_days(listing, request):
        if day >= begins:
            yield from periods(listing.contract.sec_type, day)


def _wanted_days(listing: Listing, request: BarRequest) -> Iterator[date]:
    number, unit = request.duration
    last = latest_period(listing.contract.sec_type, request.end, regular=request.regular_only).day
    return weekdays(max(_first_day(last, number, unit), WALK_BEGINS + timedelta(days=1)), last)


def _first_day(last: date, number: int, unit: str) -> date:
    if unit == "D":
        weeks, days = divmod(number - 1, 5)
        first = last - timedelta(weeks=weeks)
        for _ in range(days):
            first -= timedelta(days=3 if first.weekday() == 0 else 1)
        return first
    if unit == "S":
        return last - timedelta(days=number // 3600 + 4)
    calendar_days = int({"W": 7.0, "M": 30.4375, "Y": 365.25}[unit] * number)
    return last - timedelta(days=min(calendar_days, last.toordinal()) - 1)


def _grid(
    kept: list[Period], request: BarRequest
) -> Iterator[tuple[date, datetime, list[tuple[Period, datetime, datetime]]]]:
    """The bars' days, beginnings and the parts of stretches they are made of."""
    if request.bar_seconds >= DAY:
        yield from _long_grid(kept, request)
        return
    begins = _begins(kept, request)
    size = timedelta(seconds=request.bar_seconds)
    bars: dict[datetime, list[tuple[Period, datetime, datetime]]] = {}
    for period in kept:
        midnight = wall_time(period.day, 0)
        first, until = max(period.opens, begins), min(period.closes, request.end)
        while first < until:
            slot = midnight + (first - midnight) // size * size
            last = min(slot + size, until)
            bars.setdefault(slot, []).append((period, first, last))
            first = last
    for parts in bars.values():
        yield parts[0][0].day, parts[0][1], parts


def _begins(kept: list[Period], request: BarRequest) -> datetime:
    """The first instant of interest: for a duration in seconds, so much trading time before the end."""
    number, unit = request.duration
    left = timedelta(seconds=number)
    if unit == "S":
        for period in reversed(kept):
            length = min(period.closes, request.end) - period.opens
            if length >= left:
                return min(period.closes, request.end) - left
            left -= length
    return kept[0].opens if kept else request.end


def _long_grid(
    kept: list[Period], request: BarRequest
) -> Iterator[tuple[date, datetime, list[tuple[Period, datetime, datetime]]]]:
    bars: dict[tuple[int, int], list[Period]] = {}
    for period in kept:
        bars.setdefault(_span(period.day, request.bar_seconds), []).append(period)
    for parts in bars.values():
        pieces = [(period, period.opens, min(period.closes, request.end)) for period in parts]
        yield parts[-1].day, parts[0].opens, pieces


def _span(day: date, seconds: int) -> tuple[int, int]:
    if seconds == DAY:
        return day.toordinal(), 0
    return day.isocalendar()[:2] if seconds == WEEK else (day.year, day.month)


def _shown(market: Market, listing: Listing, request: BarRequest, day: date, raw: RawBar) -> Bar:
    opening, high, low, closing = (market.rounded(listing, px) for px in (raw.open, raw.high, raw.low, raw.close))
    step = increment_at(listing.market_rules[0], closing)
    volume = -1
    if request.what in ("TRADES", "ADJUSTED_LAST"):
        volume = int(raw.volume)
    if request.what == "ADJUSTED_LAST":
        recorded = isinstance(market.source(listing.contract.con_id), ReplayPrices)  # whose dividends nobody told
        factor = Decimal(1) if recorded else dividend_factor(listing, day, request.end)
        opening, high, low, closing = (round(price * factor, 4) for price in (opening, high, low, closing))
    elif request.what == "BID_ASK":
        opening, high, low, closing = opening - step, high + step, low - step, closing + step
    elif request.what in ("BID", "ASK"):
        shift = step if request.what == "ASK" else -step
        opening, high, low, closing = (max(price + shift, Decimal(0)) for price in (opening, high, low, closing))
    return Bar(
        opens_at=raw.opens_at,
        day=day,
        open=opening,
        high=high,
        low=low,
        close=closing,
        volume=volume,
        average=round((high + low + closing) / 3, 4) if volume >= 0 else Decimal(-1),
        count=volume // 100 if volume >= 0 else -1,
    )


def dividend_factor(listing: Listing, day: date, until: datetime) -> Decimal:
    """Return what a price of a day is multiplied by: less a quarter of the yield for each ex-date after it.

    Ex-dates are the 15th of March, June, September and December. With a yield of 4% a price before two of them is
    multiplied by 0.99 * 0.99 = 0.9801.
    """
    quarter = Decimal(1) - Decimal(str(listing.dividend_yield)) / 4
    return quarter ** int(_ex_dates_until(until.date()) - _ex_dates_until(day))


def _ex_dates_until(day: date) -> int:
    return day.year * 4 + (day.month - (0 if day.day >= 15 else 1)) // 3
