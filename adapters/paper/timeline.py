"""Timelines: what happens to one symbol of an account, in the order it happens.

Corporate actions take effect at the open of their ex-date, orders trade at the open (plus the delay) and at the close.
Nothing happens before its time has come and the source has shown the bar of its session; until then everything later
of that symbol waits, so that how often somebody looks changes nothing. A bar counts as never to come once the source
shows a later one of the symbol, or BAR_GRACE after the close: a DAY order then expires, and a GTC order goes on.

A GTC order of before a split is canceled at the ex-date's open, as Interactive Brokers does: its price and quantity
are in old shares.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal

from adapters.paper import hours
from adapters.paper.matching import (
    Bar,
    Match,
    Moment,
    WorkingOrder,
    cut,
    match_price,
    match_session,
    qty_cap,
)
from adapters.paper.paper_settings import PaperSettings
from adapters.paper.reports import NumberedReport, make_report
from trading.broker import CashMovement, CashMovementType
from trading.market.adjustments import CashDividend, CorporateAction, Split
from trading.market.instruments import Instrument
from trading.money import Money, to_cents
from trading.orders.executions import ExecType
from trading.orders.orders import OrdStatus, TimeInForce

BAR_GRACE = timedelta(days=7)

_Event = tuple[datetime, int, datetime, str]  # time, actions before orders, then as accepted; ClOrdID or nothing
_WAIT: Sequence[_Event] = ((datetime.max, 0, datetime.max, ""),)  # noqa: DTZ901 - a mark, compared by identity


@dataclass(slots=True)
class Traded:
    """What one order has traded in one session."""

    qty: Decimal = Decimal(0)
    value: Decimal = Decimal(0)
    commission: Decimal = Decimal(0)

    def add(self, qty: Decimal, px: Decimal, commission: Decimal) -> None:
        """Count one execution."""
        self.qty, self.value, self.commission = self.qty + qty, self.value + qty * px, self.commission + commission


@dataclass(slots=True, kw_only=True)
class Timeline:
    """One symbol of an account between two settlements.

    Attributes:
        bars: by session, as far as the source shows them.
        qty: signed quantity held.
        session: next session whose corporate actions count; None while flat.
        due_at: when that session is looked at.
        orders: working orders by ClOrdID; those that ended stay, with no `due_at`.
        traded: by session and ClOrdID, of the sessions to come here.
        cash: what the account has gained.
    """

    account: str
    instrument: Instrument
    settings: PaperSettings
    bars: Mapping[date, Bar]
    actions: Sequence[CorporateAction]
    qty: Decimal
    session: date | None
    orders: dict[str, WorkingOrder]
    traded: dict[date, dict[str, Traded]]
    due_at: datetime | None = None
    cash: Decimal = Decimal(0)
    reports: list[NumberedReport] = field(default_factory=list)
    movements: list[CashMovement] = field(default_factory=list)

    def settle(self, now: datetime) -> None:
        """Let everything happen whose time has come; what must wait for a bar is looked at again later."""
        events = [self._event(order) for order in self.orders.values()]
        if self.session is not None:
            events.append((hours.open_at(self.instrument.mic, self.session), 0, now, ""))
        heapq.heapify(events)
        while events and events[0][0] <= now:
            at, _, _, cl_ord_id = events[0]
            following = self._act_on_order(self.orders[cl_ord_id], at, now) if cl_ord_id else self._act(at, now)
            if following is _WAIT:
                break
            heapq.heappop(events)
            for event in following:
                heapq.heappush(events, event)
        self.postpone(events, now)

    def postpone(self, events: Sequence[_Event] | None, now: datetime) -> None:
        """Note when each order and the position are looked at next; all of them are waiting when `events` is None."""
        again = now + timedelta(seconds=self.settings.poll_seconds)
        if events is None:
            events = [self._event(order) for order in self.orders.values()]
        for at, _, _, cl_ord_id in events:
            if cl_ord_id:
                self.orders[cl_ord_id].due_at = at if at > now else again
        opens = None if self.session is None else hours.open_at(self.instrument.mic, self.session)
        self.due_at = again if opens is not None and opens <= now else opens

    # -- corporate actions

    def _act(self, at: datetime, now: datetime) -> "Sequence[_Event]":
        """Apply the corporate actions of one session to the position."""
        session = self.session
        if session is None or hours.open_at(self.instrument.mic, session) != at:
            return ()  # the position was closed since
        if not self._is_settled(session, now):
            return _WAIT
        for number, dividend in enumerate(a for a in self._actions(session) if isinstance(a, CashDividend)):
            self._pay(dividend, number, at)
        for split in (a for a in self._actions(session) if isinstance(a, Split)):
            self._split(split, session, at)
        return self._track(hours.next_session(self.instrument.mic, session), now)

    def _actions(self, session: date) -> list[CorporateAction]:
        previous = hours.previous_session(self.instrument.mic, session)
        return [action for action in self.actions if previous < action.ex_date <= session]

    def _pay(self, dividend: CashDividend, number: int, at: datetime) -> None:
        self._move(
            CashMovementType.DIVIDEND,
            f"{dividend.symbol}/{dividend.ex_date}/dividend/{number}",
            Money(amount=to_cents(self.qty * dividend.amount_per_share), currency=dividend.currency),
            at,
            f"{dividend.amount_per_share} on {self.qty} {dividend.symbol}",
        )

    def _split(self, split: Split, session: date, at: datetime) -> None:
        """Turn old shares into whole new ones and the fraction into cash, at the first price in new shares."""
        exact = self.qty * split.new_per_old
        lot = self.instrument.lot_size
        whole = (exact / lot).to_integral_value(ROUND_DOWN) * lot
        px = next(
            (p for s in sorted(self.bars) if s >= session if (p := self.bars[s].open or self.bars[s].close)), None
        )
        if px is None:  # there is no price to pay it at, and none is invented: the fraction is kept
            self.qty = exact
            return
        self.qty = whole
        if exact != whole:
            self._move(
                CashMovementType.CASH_IN_LIEU,
                f"{split.symbol}/{split.ex_date}/cash_in_lieu",
                Money(
                    amount=to_cents((exact - whole) * px * self.instrument.multiplier), currency=self.settings.currency
                ),
                at,
                f"{exact - whole} {split.symbol} at {px}",
            )

    def _move(self, kind: CashMovementType, name: str, amount: Money, at: datetime, text: str) -> None:
        self.cash = (Money(amount=self.cash, currency=self.settings.currency) + amount).amount
        self.movements.append(
            CashMovement(
                account=self.account,
                movement_id=f"{self.account}/{name}",
                movement_type=kind,
                amount=amount,
                value_time=at,
                symbol=self.instrument.symbol,
                text=text,
            )
        )

    def _track(self, session: date, now: datetime) -> "Sequence[_Event]":
        """Follow the corporate actions of the position from that session on, while there is one."""
        self.session = session if self.qty else None
        return [(hours.open_at(self.instrument.mic, session), 0, now, "")] if self.qty else []

    # -- orders

    def _event(self, order: WorkingOrder) -> _Event:
        mic = self.instrument.mic
        match order.moment:
            case Moment.ARRIVAL:
                at = order.active_at
            case Moment.OPEN:
                at = hours.open_at(mic, order.session) + timedelta(seconds=self.settings.delay_seconds)
            case Moment.CLOSE:
                at = hours.close_at(mic, order.session)
        return (at, 1, order.accepted_at, order.cl_ord_id)

    def _act_on_order(self, order: WorkingOrder, at: datetime, now: datetime) -> "Sequence[_Event]":
        """Match one order at one moment and return what it makes happen later."""
        if order.moment is Moment.ARRIVAL:
            self._end(order, at, "it came after the open, the only moment it could have traded at")
            return ()
        if not self._is_settled(order.session, now, order.moment):
            return _WAIT
        if order.first_session < order.session and self._is_split(order.session):
            self._end(order, at, "it was in old shares; send it again in new ones", ExecType.CANCELED)
            return ()
        held = self.qty
        if order.moment is Moment.OPEN:
            self._at_open(order, at)
        else:
            self._at_close(order, at)
        events = [self._event(order)] if order.ord_status.is_open else []
        if not self.qty:
            self.session = None
        elif not held:
            events += self._track(hours.next_session(self.instrument.mic, order.session), now)
        return events

    def _is_split(self, session: date) -> bool:
        return any(isinstance(action, Split) for action in self._actions(session))

    def _at_open(self, order: WorkingOrder, at: datetime) -> None:
        bar = self.bars.get(order.session, Bar())
        if bar.open is not None:
            self._fill(order, match_price(order, bar.open, self.instrument.tick_size, self.settings), bar, at)
        if not order.ord_status.is_open:
            return
        if order.time_in_force in (TimeInForce.IOC, TimeInForce.OPG):
            why = "the open did not fill it" if bar.open is not None else "no opening price"
            self._end(order, at, f"{why} on {order.session}")
        else:
            order.moment = Moment.CLOSE

    def _at_close(self, order: WorkingOrder, at: datetime) -> None:
        bar = self.bars.get(order.session, Bar())
        if bar.close is not None:
            self._fill(order, self._match_at_close(order, bar, bar.close), bar, at)
        if not order.ord_status.is_open:
            return
        if order.time_in_force is TimeInForce.GTC:
            order.session, order.moment = hours.next_session(self.instrument.mic, order.session), Moment.OPEN
        else:
            why = f"no bar of {order.symbol} for" if bar.close is None else "not filled by the close of"
            self._end(order, at, f"{why} {order.session}")

    def _match_at_close(self, order: WorkingOrder, bar: Bar, close: Decimal) -> Match:
        tick_size = self.instrument.tick_size
        late = order.active_at > hours.open_at(self.instrument.mic, order.session)
        if late or order.time_in_force is TimeInForce.CLS:
            return match_price(order, close, tick_size, self.settings)
        return match_session(order, bar, tick_size, self.settings)

    def _fill(self, order: WorkingOrder, match: Match, bar: Bar, at: datetime) -> None:
        order.triggered = match.triggered
        if match.px is None:
            return
        session, lot_size = self.traded.setdefault(order.session, {}), self.instrument.lot_size
        qty, cap = order.leaves_qty, qty_cap(bar, lot_size, self.settings)
        if cap is not None:
            qty = min(qty, cap - sum((t.qty for t in session.values()), Decimal(0)))
        if qty <= 0:
            return
        seed = f"{self.settings.seed}/{order.cl_ord_id}/{order.session}/{order.moment}"
        for last_qty in cut(qty, lot_size, self.settings.fill_slices, seed):
            self._trade(order, session.setdefault(order.cl_ord_id, Traded()), last_qty, match.px, at)

    def _trade(self, order: WorkingOrder, so_far: Traded, last_qty: Decimal, px: Decimal, at: datetime) -> None:
        multiplier = self.instrument.multiplier
        so_far.add(last_qty, px, Decimal(0))
        commission = self.settings.commission(so_far.qty, so_far.value * multiplier) - so_far.commission
        so_far.commission += commission
        order.cum_qty += last_qty
        order.ord_status = OrdStatus.PARTIALLY_FILLED if order.leaves_qty else OrdStatus.FILLED
        self.qty += order.side.sign * last_qty
        self.cash -= order.side.sign * last_qty * px * multiplier + commission
        if not order.leaves_qty:
            order.due_at = None
        report = make_report(
            self.account, order, ExecType.TRADE, at, last_qty=last_qty, last_px=px, commission=commission
        )
        self.reports.append(report)

    def _end(self, order: WorkingOrder, at: datetime, text: str, exec_type: ExecType | None = None) -> None:
        """Cancel or expire what is left of the order; an IOC order is canceled, others expire."""
        if exec_type is None:
            exec_type = ExecType.CANCELED if order.time_in_force is TimeInForce.IOC else ExecType.EXPIRED
        order.ord_status = OrdStatus.CANCELED if exec_type is ExecType.CANCELED else OrdStatus.EXPIRED
        order.due_at = None
        self.reports.append(make_report(self.account, order, exec_type, at, text=text))

    # -- bars

    def _is_settled(self, session: date, now: datetime, moment: Moment = Moment.OPEN) -> bool:
        """Tell whether what the moment needs of the session's bar is there, or will never be."""
        bar = self.bars.get(session)
        if bar is not None and (moment is Moment.OPEN or bar.close is not None):
            return True
        if any(other > session for other in self.bars):
            return True
        return now > hours.close_at(self.instrument.mic, session) + BAR_GRACE
