"""Timelines: what happens to some symbols of an account, in the order it happens.

Corporate actions take effect at the open of their ex-date, orders trade at the open (plus the delay) and at the close.
Nothing happens before its time has come and the source has shown the bar of its session; until then everything later
of these symbols waits, so that how often somebody looks changes nothing. Once the bar counts as never to come, a DAY
order expires, and a GTC order goes on. Each symbol has a timeline of its own, except those that orders tie together.

A GTC order of before a split, rename, merger or delisting is canceled at the ex-date's open, as Interactive Brokers
does: its price and quantity are in shares that are no more.

Linked orders and triggers: what happened at the open counts for the rest of the bar; what happened when a low or high
was reached counts for the close; what happened at the close counts from the next open. Where one bar could have filled
two orders that cancel each other, the stop is taken to be the first. An order never trades at the price that freed it.
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from adapters.paper import combos, hours
from adapters.paper.holding import Holding
from adapters.paper.matching import Bar, Match, Moment, WorkingOrder, cut, match_price, match_session
from adapters.paper.moments import IMMEDIATE, LASTING, between, looked_at, moment_at, next_open
from adapters.paper.paper_settings import PaperSettings
from adapters.paper.reports import leg_side, make_report
from adapters.paper.ties import TOO_LATE, Ties, kill_type
from adapters.paper.trailing import trail_at_price, trail_session
from trading.orders.executions import ExecType
from trading.orders.order_types import ContingencyType, OrderLeg, TriggerDirection
from trading.orders.orders import OrdStatus, OrdType, TimeInForce

_ACTIONS = 0  # precedence of corporate actions at one time; orders come after them
_IN_RANGE = (OrdType.LIMIT, OrdType.STOP, OrdType.TRAILING_STOP)  # may trade before the close
_STOPS = (OrdType.STOP, OrdType.STOP_LIMIT, OrdType.TRAILING_STOP)
_ONE = Decimal(1)

_Event = tuple[datetime, int, datetime, str]  # time, precedence, then as accepted; ClOrdID, or symbol of actions
_PxOf = Callable[[Bar, TriggerDirection], Decimal | None]
_WAIT: Sequence[_Event] = ((datetime.max, 0, datetime.max, ""),)  # noqa: DTZ901 - a mark, compared by identity


@dataclass(slots=True, kw_only=True)
class Timeline:
    """Some symbols of an account, and the orders in them, between two settlements.

    Attributes:
        holdings: by symbol.
        ties: the orders; those that ended stay, with no `due_at`.
    """

    account: str
    settings: PaperSettings
    holdings: Mapping[str, Holding]
    ties: Ties

    def settle(self, now: datetime) -> None:
        """Let everything happen whose time has come; what must wait for a bar is looked at again later."""
        events = [self._event(order) for order in self.ties.orders.values()]
        events += [event for holding in self.holdings.values() for event in self._actions_of(holding, now)]
        heapq.heapify(events)
        while events and events[0][0] <= now:
            at, precedence, _, name = events[0]
            if precedence == _ACTIONS:
                following = self._act(self.holdings[name], at, now)
            else:
                following = self._act_on_order(self.ties.orders[name], at, now)
            if following is _WAIT:
                break
            heapq.heappop(events)
            for event in following:
                heapq.heappush(events, event)
        self.postpone(now)

    def postpone(self, now: datetime) -> None:
        """Note when each order and each position are looked at next; what is due now is asked for again later."""
        again = now + timedelta(seconds=self.settings.poll_seconds)
        for order in self.ties.orders.values():
            if order.ord_status.is_open:
                at = self._event(order)[0]
                order.due_at = at if at > now else again
        for holding in self.holdings.values():
            opens = holding.opens_at
            holding.due_at = again if opens is not None and opens <= now else opens

    # -- corporate actions

    def _actions_of(self, holding: Holding, now: datetime) -> list[_Event]:
        opens = holding.opens_at
        return [] if opens is None else [(opens, _ACTIONS, now, holding.instrument.symbol)]

    def _act(self, holding: Holding, at: datetime, now: datetime) -> Sequence[_Event]:
        """Apply the corporate actions of one session to the position."""
        if holding.session is None or holding.opens_at != at:
            return ()  # the position was closed since
        if not holding.is_settled(holding.session, now):
            return _WAIT
        holding.act(at)
        return self._actions_of(holding, now)

    # -- orders

    def _event(self, order: WorkingOrder) -> _Event:
        """Return when the order is looked at next; at one time parents come before children, stops before others."""
        precedence = 2 if order.parent_cl_ord_id is None else 4
        if order.contingency_type is ContingencyType.OCO and order.ord_type in _STOPS:
            precedence -= 1
        at = looked_at(order, self.ties.mic(order), self.settings)
        return (at, precedence, order.accepted_at, order.cl_ord_id)

    def _act_on_order(self, order: WorkingOrder, at: datetime, now: datetime) -> Sequence[_Event]:
        """Look at one order at one moment and return what it makes happen later."""
        if not order.ord_status.is_open:
            return ()  # another one has ended it
        if self._event(order)[0] != at:
            return (self._event(order),)  # another one has freed it
        if why := self._over(order, at):
            self._end(order, at, why)
            return ()
        if not all(self.holdings[s].is_settled(order.session, now, order.moment) for s in order.symbols):
            return _WAIT
        traded = [self.holdings[symbol] for symbol in order.traded_symbols]
        if order.first_session < order.session and any(h.voids_orders(order.session) for h in traded):
            self._end(order, at, "it was in shares that are no more; send it again in new ones", ExecType.CANCELED)
            return ()
        held, session = [holding.qty for holding in traded], order.session
        if order.moment is Moment.OPEN:
            self._at_open(order, at)
        else:
            self._at_close(order, at)
        events = [self._event(order)] if order.ord_status.is_open else []
        for holding, before in zip(traded, held, strict=True):
            if not holding.qty:
                holding.session = None
            elif not before:
                holding.track(hours.next_session(holding.instrument.mic, session))
                events += self._actions_of(holding, now)
        return events

    def _over(self, order: WorkingOrder, at: datetime) -> str:
        """Return why the order ends without a look at the market; empty when it does not."""
        if order.moment is Moment.ARRIVAL:
            return TOO_LATE
        if order.good_till == at and at < moment_at(order, self.ties.mic(order), self.settings):
            return f"it was good till {at:%Y-%m-%d %H:%M %Z}"
        return ""

    def _at_open(self, order: WorkingOrder, at: datetime) -> None:
        opens = hours.open_at(self.ties.mic(order), order.session)
        if order.triggers and not order.waits:
            if self._pull(order, _first):
                order.active_at = max(order.active_at, opens)
        elif not order.waits and order.active_at <= opens:
            self._match(order, at, Moment.OPEN, whole=False, since=opens)
        if not order.ord_status.is_open:
            return
        if order.time_in_force in IMMEDIATE:
            why = "no opening price" if self._has_no(order, Moment.OPEN) else "the open did not fill it"
            self._end(order, at, f"{why} on {order.session}")
        else:
            order.moment = Moment.CLOSE

    def _at_close(self, order: WorkingOrder, at: datetime) -> None:
        mic = self.ties.mic(order)
        early = order.active_at <= hours.open_at(mic, order.session)
        later = next_open(mic, order.session)
        if order.triggers and not order.waits:
            sure = early and all(_is_whole(self.holdings[t.symbol].bar(order.session)) for t in order.triggers)
            if self._pull(order, _furthest if early else _last):
                early, order.active_at = False, max(order.active_at, between(mic, order.session) if sure else later)
        if not (order.waits or order.triggers) and order.active_at <= at:
            whole = early and order.time_in_force is not TimeInForce.CLS
            in_range = whole and order.ord_type in _IN_RANGE and not (order.legs or self._has_no(order, Moment.OPEN))
            since = between(mic, order.session) if in_range else later
            self._match(order, at, Moment.CLOSE, whole=whole, since=since)
        if not order.ord_status.is_open:
            return
        if order.time_in_force in LASTING:
            order.session, order.moment = hours.next_session(mic, order.session), Moment.OPEN
        else:
            no_bar = self._has_no(order, Moment.CLOSE)
            why = f"no bar of {order.symbol} for" if no_bar else "not filled by the close of"
            self._end(order, at, f"{why} {order.session}")

    def _pull(self, order: WorkingOrder, px_of: _PxOf) -> bool:
        """Drop the triggers that have happened, and tell whether none is left."""
        pxs = [px_of(self.holdings[t.symbol].bar(order.session), t.direction) for t in order.triggers]
        order.triggers = tuple(
            t for t, px in zip(order.triggers, pxs, strict=True) if px is None or not t.direction.reached(px, t.price)
        )
        return not order.triggers

    def _has_no(self, order: WorkingOrder, moment: Moment) -> bool:
        bars = [self.holdings[symbol].bar(order.session) for symbol in order.traded_symbols]
        return any((bar.open if moment is Moment.OPEN else bar.close) is None for bar in bars)

    # -- trading

    def _match(self, order: WorkingOrder, at: datetime, moment: Moment, *, whole: bool, since: datetime) -> None:
        """Match the order against a price, or all of the bar, and do what follows from its trades."""
        if self._has_no(order, moment):
            return
        traded = self._match_legs(order, at, moment) if order.legs else self._match_one(order, at, moment, whole=whole)
        if traded and order.tied:
            self.ties.traded(order, at, since)

    def _match_one(self, order: WorkingOrder, at: datetime, moment: Moment, *, whole: bool) -> bool:
        holding = self.holdings[order.symbol]
        bar, tick_size = holding.bar(order.session), holding.instrument.tick_size
        trails = order.ord_type is OrdType.TRAILING_STOP
        px = bar.open if moment is Moment.OPEN else bar.close
        if whole:
            match = (trail_session if trails else match_session)(order, bar, tick_size, self.settings)
        elif px is not None:
            match = (trail_at_price if trails else match_price)(order, px, tick_size, self.settings)
        else:
            return False
        return self._fill(order, holding, match, at)

    def _fill(self, order: WorkingOrder, holding: Holding, match: Match, at: datetime) -> bool:
        order.triggered = match.triggered
        if match.px is None:
            return False
        room, lot_size = holding.room(order.session), holding.instrument.lot_size
        qty = self._allowed(order, order.leaves_qty if room is None else min(order.leaves_qty, room))
        for last_qty in self._cut(order, qty, lot_size):
            commission = holding.trade(order.cl_ord_id, order.session, order.side, last_qty, match.px)
            self._report(order, last_qty, match.px, commission, at)
        return qty > 0

    def _match_legs(self, order: WorkingOrder, at: datetime, moment: Moment) -> bool:
        bars = {symbol: self.holdings[symbol].bar(order.session) for symbol in order.traded_symbols}
        pxs = {s: px for s, bar in bars.items() if (px := bar.open if moment is Moment.OPEN else bar.close) is not None}
        pxs = combos.leg_pxs(order, pxs, self.holdings, self.settings) or {}
        if not pxs:
            return False
        units = self._allowed(order, combos.units_there(order, self.holdings))
        for last_units in self._cut(order, units, _ONE):
            for leg in order.legs:
                self._trade_leg(order, leg, last_units * leg.ratio, pxs[leg.symbol], at)
            self._report(order, last_units, combos.net_px(order.legs, pxs), Decimal(0), at)
        return units > 0

    def _trade_leg(self, order: WorkingOrder, leg: OrderLeg, qty: Decimal, px: Decimal, at: datetime) -> None:
        side = leg_side(order.side, leg)
        commission = self.holdings[leg.symbol].trade(order.cl_ord_id, order.session, side, qty, px)
        report = make_report(
            self.account, order, ExecType.TRADE, at, last_qty=qty, last_px=px, commission=commission, leg=leg
        )
        self.ties.reports.append(report)

    def _allowed(self, order: WorkingOrder, qty: Decimal) -> Decimal:
        """Return what may trade now: all or nothing when the order is to be filled or killed."""
        if order.time_in_force is TimeInForce.FOK and qty < order.leaves_qty:
            return Decimal(0)
        return qty

    def _cut(self, order: WorkingOrder, qty: Decimal, lot_size: Decimal) -> tuple[Decimal, ...]:
        if qty <= 0:
            return ()
        seed = f"{self.settings.seed}/{order.cl_ord_id}/{order.session}/{order.moment}"
        return cut(qty, lot_size, self.settings.fill_slices, seed)

    def _report(self, order: WorkingOrder, last_qty: Decimal, px: Decimal, commission: Decimal, at: datetime) -> None:
        order.cum_qty += last_qty
        order.ord_status = OrdStatus.PARTIALLY_FILLED if order.leaves_qty else OrdStatus.FILLED
        if not order.leaves_qty:
            order.due_at = None
        report = make_report(
            self.account, order, ExecType.TRADE, at, last_qty=last_qty, last_px=px, commission=commission
        )
        self.ties.reports.append(report)

    def _end(self, order: WorkingOrder, at: datetime, text: str, exec_type: ExecType | None = None) -> None:
        self.ties.end(order, at, exec_type or kill_type(order), text)


def _is_whole(bar: Bar) -> bool:
    return None not in (bar.open, bar.high, bar.low)


def _furthest(bar: Bar, direction: TriggerDirection) -> Decimal | None:
    """Return the price of the bar that would reach a trigger of that direction first."""
    return (bar.high if direction is TriggerDirection.UP else bar.low) if _is_whole(bar) else bar.close


def _first(bar: Bar, _: TriggerDirection) -> Decimal | None:
    return bar.open


def _last(bar: Bar, _: TriggerDirection) -> Decimal | None:
    return bar.close
