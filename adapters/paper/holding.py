"""Holdings: what an account holds of one symbol, what its corporate actions do to it and what trading it costs.

Corporate actions take effect at the open of their ex-date. Nothing is settled before the source has shown the bar of
its session. A bar counts as never to come once the source shows a later one of the symbol, or BAR_GRACE after the
close.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal

from adapters.paper import hours
from adapters.paper.matching import Bar, Moment, qty_cap
from adapters.paper.paper_settings import PaperSettings
from trading.broker import CashMovement, CashMovementType
from trading.market.corporate_actions import CashDividend, CashMerger, CorporateAction, Rename, Split, ends_open_orders
from trading.market.instruments import Instrument
from trading.money import Money, to_cents
from trading.orders.orders import Side
from trading.positions.books import QTY_STEP

BAR_GRACE = timedelta(days=7)


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
class Holding:
    """One symbol of an account between two settlements.

    Attributes:
        bars: by session, as far as the source shows them.
        qty: signed quantity held.
        session: next session whose corporate actions count; None while flat.
        due_at: when that session is looked at.
        traded: by session and ClOrdID, of the sessions to come here.
        cash: what the account has gained.
        moved: the symbol that the position is under since a rename, its quantity, and since which session.
    """

    account: str
    instrument: Instrument
    settings: PaperSettings
    bars: Mapping[date, Bar]
    actions: Sequence[CorporateAction]
    qty: Decimal
    session: date | None
    traded: dict[date, dict[str, Traded]]
    due_at: datetime | None = None
    cash: Decimal = Decimal(0)
    moved: tuple[str, Decimal, date] | None = None
    movements: list[CashMovement] = field(default_factory=list)

    @property
    def opens_at(self) -> datetime | None:
        """Return when the corporate actions of the next session count; None while flat."""
        return None if self.session is None else hours.open_at(self.instrument.mic, self.session)

    def bar(self, session: date) -> Bar:
        """Return the bar of that session; an empty one when there is none."""
        return self.bars.get(session, Bar())

    def is_settled(self, session: date, now: datetime, moment: Moment = Moment.OPEN) -> bool:
        """Tell whether what the moment needs of the session's bar is there, or will never be."""
        bar = self.bars.get(session)
        if bar is not None and (moment is Moment.OPEN or bar.close is not None):
            return True
        if any(other > session for other in self.bars):
            return True
        return now > hours.close_at(self.instrument.mic, session) + BAR_GRACE

    def voids_orders(self, session: date) -> bool:
        """Tell whether orders of before that session are in a share that is not there any more."""
        return any(ends_open_orders(action) for action in self._actions(session))

    # -- trading

    def room(self, session: date) -> Decimal | None:
        """Return how much more the account may trade in that session; None is no limit."""
        cap = qty_cap(self.bar(session), self.instrument.lot_size, self.settings)
        if cap is None:
            return None
        return cap - sum((t.qty for t in self.traded.get(session, {}).values()), Decimal(0))

    def trade(self, cl_ord_id: str, session: date, side: Side, qty: Decimal, px: Decimal) -> Decimal:
        """Book one execution and return its commission."""
        so_far = self.traded.setdefault(session, {}).setdefault(cl_ord_id, Traded())
        multiplier = self.instrument.multiplier
        so_far.add(qty, px, Decimal(0))
        commission = self.settings.commission(so_far.qty, so_far.value * multiplier) - so_far.commission
        so_far.commission += commission
        self.qty += side.sign * qty
        self.cash -= side.sign * qty * px * multiplier + commission
        return commission

    def track(self, session: date) -> None:
        """Follow the corporate actions of the position from that session on, while there is one."""
        self.session = session if self.qty else None

    # -- corporate actions

    def act(self, at: datetime) -> None:
        """Apply the corporate actions of the session that begins at that time, and turn to the next."""
        session = self.session
        if session is None:
            return
        for number, dividend in enumerate(a for a in self._actions(session) if isinstance(a, CashDividend)):
            self._pay(dividend, number, at)
        for action in self._actions(session):
            match action:
                case Split():
                    self._split(action, session, at)
                case CashMerger():
                    self._pay_out(action, at)
                case Rename():
                    self.moved, self.qty = (action.new_symbol, self.qty, session), Decimal(0)
        self.track(hours.next_session(self.instrument.mic, session))

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

    def _pay_out(self, merger: CashMerger, at: datetime) -> None:
        """Turn the shares into cash."""
        self._move(
            CashMovementType.MERGER,
            f"{merger.symbol}/{merger.ex_date}/merger",
            Money(amount=to_cents(self.qty * merger.amount_per_share), currency=merger.currency),
            at,
            f"{merger.amount_per_share} on {self.qty} {merger.symbol}",
        )
        self.qty = Decimal(0)

    def _split(self, split: Split, session: date, at: datetime) -> None:
        """Turn old shares into whole new ones and the fraction into cash, at the first price in new shares."""
        exact = (self.qty * split.new_per_old).quantize(QTY_STEP)  # 30,000 x 0.3333... are 10,000
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
