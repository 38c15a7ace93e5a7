"""Admission: which orders the paper exchange takes, and when it has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from adapters.paper import hours
from adapters.paper.matching import Moment, WorkingOrder
from adapters.paper.moments import IMMEDIATE, looked_at, schedule
from adapters.paper.paper_settings import PaperSettings
from trading.market.instruments import Instrument
from trading.orders.order_types import ContingencyType, OrderLeg, PriceTrigger, TimeTrigger
from trading.orders.orders import NewOrderSingle, OrdStatus, OrdType, TimeInForce

_STOPS = (OrdType.STOP, OrdType.STOP_LIMIT, OrdType.TRAILING_STOP)
_ONE_MOMENT = (*IMMEDIATE, TimeInForce.CLS)


@dataclass(slots=True, kw_only=True)
class Admission:
    """The door of the exchange at one time.

    Attributes:
        mates: orders that were taken before of the lists of those that come; each one taken joins them.
    """

    account: str
    instruments: Mapping[str, Instrument]
    settings: PaperSettings
    now: datetime
    mates: dict[str, WorkingOrder]

    def admit(self, order: NewOrderSingle) -> tuple[WorkingOrder, str]:
        """Return the order as the exchange has it, and why it is rejected; empty when it is not."""
        sent_at = self.now + timedelta(seconds=self.settings.delay_seconds)
        why = self._refusal(order, sent_at) or self._unlinked(order)
        working = self._working(order, sent_at)
        if why:
            working.ord_status = OrdStatus.REJECTED
            return working, why
        mic = self.instruments[working.traded_symbols[0]].mic
        schedule(working, mic, self.settings)
        if working.waits and order.time_in_force in IMMEDIATE:
            working.moment = Moment.CLOSE
            working.due_at = looked_at(working, mic, self.settings)
        self.mates[order.cl_ord_id] = working
        return working, ""

    def _working(self, order: NewOrderSingle, sent_at: datetime) -> WorkingOrder:
        parent = self.mates.get(order.parent_cl_ord_id or "")
        prices = tuple(t for t in order.triggers if isinstance(t, PriceTrigger))
        return WorkingOrder(
            cl_ord_id=order.cl_ord_id,
            symbol=order.symbol,
            side=order.side,
            order_qty=order.order_qty,
            ord_type=order.ord_type,
            time_in_force=order.time_in_force,
            price=order.price,
            stop_px=order.stop_px,
            first_session=order.session,
            accepted_at=self.now,
            active_at=max([sent_at, *(t.at for t in order.triggers if isinstance(t, TimeTrigger))]),
            session=order.session,
            moment=Moment.CLOSE,
            good_till=order.good_till,
            peg_offset_value=order.peg_offset_value,
            peg_offset_type=order.peg_offset_type,
            triggers=prices,
            legs=order.legs,
            list_id=order.list_id,
            contingency_type=order.contingency_type,
            parent_cl_ord_id=order.parent_cl_ord_id,
            waits=parent is not None and parent.ord_status is not OrdStatus.FILLED,
            tied=bool(order.list_id or order.legs or any(t.symbol != order.symbol for t in prices)),
        )

    def _refusal(self, order: NewOrderSingle, sent_at: datetime) -> str:
        if order.account != self.account:
            return f"unknown account {order.account}; this is {self.account}"
        traded = [leg.symbol for leg in order.legs] or [order.symbol]
        triggers = [t.symbol for t in order.triggers if isinstance(t, PriceTrigger)]
        for symbol in (*traded, *triggers):
            instrument = self.instruments.get(symbol)
            if instrument is None:
                return f"unknown symbol {symbol}"
            if instrument.currency != self.settings.currency:
                return f"{symbol} is paid in {instrument.currency}, the account holds {self.settings.currency}"
        mics = sorted({self.instruments[symbol].mic for symbol in (*traded, *triggers)})
        if len(mics) > 1:
            return f"its legs and triggers must be of one exchange, not of {' and '.join(mics)}"
        if order.ord_type in _STOPS and order.time_in_force in _ONE_MOMENT:
            return f"a {order.ord_type} order cannot be {order.time_in_force.name}"
        if order.algo is not None:
            return f"the paper broker has no {order.algo.target_strategy.name} algorithm; send it without one"
        if triggers and order.time_in_force in IMMEDIATE:
            return f"an order that waits for a price cannot be {order.time_in_force.name}"
        off_grid = self.off_grid(traded, order.legs, order.order_qty, (order.price, order.stop_px))
        return off_grid or self._too_late(order, mics[0], sent_at)

    def off_grid(
        self,
        symbols: Sequence[str],
        legs: Sequence[OrderLeg],
        order_qty: Decimal,
        prices: tuple[Decimal | None, Decimal | None],
    ) -> str:
        """Return which value is no multiple of its step, if any; a net price has the finest tick of its legs."""
        ratios = {leg.symbol: leg.ratio for leg in legs}
        for symbol in symbols:
            lot_size = self.instruments[symbol].lot_size
            if order_qty * ratios.get(symbol, 1) % lot_size:
                return f"order_qty {order_qty} is not a multiple of {lot_size}"
        tick_size = min(self.instruments[symbol].tick_size for symbol in symbols)
        for name, px in zip(("price", "stop_px"), prices, strict=True):
            if px is not None and px % tick_size:
                return f"{name} {px} is not a multiple of the tick {tick_size}"
        return ""

    def _unlinked(self, order: NewOrderSingle) -> str:
        """Return why the order cannot be linked with those it names; empty when it can."""
        if order.parent_cl_ord_id is not None:
            parent = self.mates.get(order.parent_cl_ord_id)
            if parent is None:
                return f"its parent {order.parent_cl_ord_id} is not here; send them together"
            if not (parent.ord_status.is_open or parent.ord_status is OrdStatus.FILLED):
                return f"its parent {order.parent_cl_ord_id} is {parent.ord_status.name}"
        if order.contingency_type is ContingencyType.OCO:
            for mate in self.mates.values():
                same = (mate.contingency_type, mate.parent_cl_ord_id) == (ContingencyType.OCO, order.parent_cl_ord_id)
                if same and mate.list_id == order.list_id and mate.cum_qty:
                    return f"{mate.cl_ord_id} of its list has traded"
        return ""

    def _too_late(self, order: NewOrderSingle, mic: str, sent_at: datetime) -> str:
        if not hours.is_session(mic, order.session):
            return f"{order.session} is not a session of {mic}"
        if sent_at > hours.close_at(mic, order.session):
            return f"session {order.session} is over: it closed {hours.close_at(mic, order.session):%Y-%m-%d %H:%M %Z}"
        if order.good_till is not None and order.good_till <= self.now:
            return f"it was good till {order.good_till:%Y-%m-%d %H:%M %Z}"
        return ""
