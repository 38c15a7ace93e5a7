"""Where each field of an order stands in placeOrder, openOrder and completedOrder, per protocol version.

An order has some 130 fields, and most are only kept and told back. So they stay text under the names of the
client libraries, and a layout is a row of parts, each of which reads or writes its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol

from ib_gateway.wire import UNSET, Reader


@dataclass(slots=True, kw_only=True)
class OrderFields:
    """An order as text: single fields by name, and the repeated ones in groups of rows."""

    scalars: dict[str, str] = field(default_factory=dict)
    groups: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """Return a single field; an absent one is empty."""
        return self.scalars.get(name, "")


class Part(Protocol):
    """A piece of a layout."""

    def read(self, message: Reader, into: OrderFields) -> None:
        """Take this part's fields from a message."""

    def write(self, order: OrderFields, version: int) -> list[str]:
        """Return this part's fields as they go into a message."""


Test = Callable[[OrderFields], bool]


@dataclass(frozen=True, slots=True)
class Plain:
    """Single fields in a row; `_` is a dead one."""

    names: tuple[str, ...]
    since: int = 0
    before: int = 10_000
    when: Test | None = None

    def read(self, message: Reader, into: OrderFields) -> None:
        """Take the fields, unless the version or the order has none."""
        if not self._present(into, message.server_version):
            return
        for name in self.names:
            value = message.text()
            if value:
                into.scalars[name] = value

    def write(self, order: OrderFields, version: int) -> list[str]:
        """Return the fields, unless the version or the order has none."""
        if not self._present(order, version):
            return []
        return [order.scalars.get(name, _SERVER_DEFAULTS.get(name, "")) for name in self.names]

    def _present(self, order: OrderFields, version: int) -> bool:
        return self.since <= version < self.before and (self.when is None or self.when(order))


@dataclass(frozen=True, slots=True)
class Rows:
    """A count, then as many rows of `width` fields."""

    name: str
    width: int
    when: Test | None = None

    def read(self, message: Reader, into: OrderFields) -> None:
        """Take the rows."""
        if self.when is None or self.when(into):
            into.groups[self.name] = [tuple(message.texts(self.width)) for _ in range(message.integer())]

    def write(self, order: OrderFields, version: int) -> list[str]:  # noqa: ARG002 # the same in every version
        """Return the count and the rows."""
        if self.when is not None and not self.when(order):
            return []
        rows = order.groups.get(self.name, [])
        return [str(len(rows)), *(value for row in rows for value in row)]


@dataclass(frozen=True, slots=True)
class Conditions:
    """A count, the conditions (their type tells their width), and two flags if there are any."""

    def read(self, message: Reader, into: OrderFields) -> None:
        """Take the conditions and their flags."""
        rows: list[tuple[str, ...]] = []
        for _ in range(message.integer()):
            kind = message.text()
            rows.append((kind, *message.texts(CONDITION_WIDTHS.get(kind, 4) - 1)))
        into.groups["conditions"] = rows
        if rows:
            into.scalars["conditionsIgnoreRth"], into.scalars["conditionsCancelOrder"] = message.texts(2)

    def write(self, order: OrderFields, version: int) -> list[str]:  # noqa: ARG002 # the same in every version
        """Return the conditions and their flags."""
        rows = order.groups.get("conditions", [])
        flags = [order.get("conditionsIgnoreRth"), order.get("conditionsCancelOrder")] if rows else []
        return [str(len(rows)), *(value for row in rows for value in row), *flags]


CONDITION_WIDTHS: Final[Mapping[str, int]] = MappingProxyType({"1": 7, "3": 4, "4": 4, "5": 5, "6": 6, "7": 6})

# What the server says where the client said nothing; TWS writes 0.0 for prices that an order type does not use.
_SERVER_DEFAULTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "lmtPrice": "0.0",
        "auxPrice": "0.0",
        "dncPresent": "0",
        "exemptCode": "-1",
        "initMarginChange": "1.7976931348623157E308",
    }
)


def _positive(name: str) -> Test:
    return lambda order: order.get(name) not in UNSET and float(order.get(name)) > 0


def _said(name: str) -> Test:
    return lambda order: order.get(name) not in {"", "0"}


def _is_type(*types: str) -> Test:
    return lambda order: order.get("orderType") in types


def _is_bag(order: OrderFields) -> bool:
    return order.get("secType") == "BAG"


def _plain(names: str, *, since: int = 0, before: int = 10_000, when: Test | None = None) -> Plain:
    return Plain(tuple(names.split()), since, before, when)


_CONTRACT_11 = (
    "conId symbol secType lastTradeDateOrContractMonth strike right multiplier exchange currency localSymbol "
    "tradingClass"
)
_CONTRACT_12 = _CONTRACT_11.replace("exchange currency", "exchange primaryExchange currency")
_TERMS = "action totalQuantity orderType lmtPrice auxPrice tif ocaGroup account openClose origin orderRef"
_PEG_BENCH = _plain(
    "referenceContractId isPeggedChangeAmountDecrease peggedChangeAmount referenceChangeAmount referenceExchangeId",
    when=_is_type("PEG BENCH", "PEGBENCH"),
)
_SCALE: Final[tuple[Part, ...]] = (
    _plain("scaleInitLevelSize scaleSubsLevelSize scalePriceIncrement"),
    _plain(
        "scalePriceAdjustValue scalePriceAdjustInterval scaleProfitOffset scaleAutoReset scaleInitPosition "
        "scaleInitFillQty scaleRandomPercent",
        when=_positive("scalePriceIncrement"),
    ),
)
_HEDGE = (_plain("hedgeType"), _plain("hedgeParam", when=_said("hedgeType")))
_DELTA_NEUTRAL_CONTRACT = (_plain("dncPresent"), _plain("dncConId dncDelta dncPrice", when=_said("dncPresent")))
_ALGO = (_plain("algoStrategy"), Rows("algoParams", 2, when=_said("algoStrategy")))
_COMBO = (Rows("comboLegs", 8), Rows("orderComboLegs", 1), Rows("smartComboRoutingParams", 2))
_PEG_TOLD = _plain(
    "minTradeQty minCompeteSize competeAgainstBestOffset midOffsetAtWhole midOffsetAtHalf",
    since=170,
)

PLACE_ORDER: Final[tuple[Part, ...]] = (
    _plain(_CONTRACT_12 + " secIdType secId " + _TERMS),
    _plain("transmit parentId blockOrder sweepToFill displaySize triggerMethod outsideRth hidden"),
    Rows("comboLegs", 8, when=_is_bag),
    Rows("orderComboLegs", 1, when=_is_bag),
    Rows("smartComboRoutingParams", 2, when=_is_bag),
    _plain("_ discretionaryAmt goodAfterTime goodTillDate faGroup faMethod faPercentage"),
    _plain("faProfile", before=177),
    _plain(
        "modelCode shortSaleSlot designatedLocation exemptCode ocaType rule80A settlingFirm allOrNone minQty "
        "percentOffset eTradeOnly firmQuoteOnly nbboPriceCap auctionStrategy startingPrice stockRefPrice delta "
        "stockRangeLower stockRangeUpper overridePercentageConstraints volatility volatilityType "
        "deltaNeutralOrderType deltaNeutralAuxPrice"
    ),
    _plain(
        "deltaNeutralConId deltaNeutralSettlingFirm deltaNeutralClearingAccount deltaNeutralClearingIntent "
        "deltaNeutralOpenClose deltaNeutralShortSale deltaNeutralShortSaleSlot deltaNeutralDesignatedLocation",
        when=_said("deltaNeutralOrderType"),
    ),
    _plain("continuousUpdate referencePriceType trailStopPrice trailingPercent"),
    *_SCALE,
    _plain("scaleTable activeStartTime activeStopTime"),
    *_HEDGE,
    _plain("optOutSmartRouting clearingAccount clearingIntent notHeld"),
    *_DELTA_NEUTRAL_CONTRACT,
    *_ALGO,
    _plain("algoId whatIf orderMiscOptions solicited randomizeSize randomizePrice"),
    _PEG_BENCH,
    Conditions(),
    _plain(
        "adjustedOrderType triggerPrice lmtPriceOffset adjustedStopPrice adjustedStopLimitPrice "
        "adjustedTrailingAmount adjustableTrailingUnit extOperator softDollarName softDollarVal cashQty "
        "mifid2DecisionMaker mifid2DecisionAlgo mifid2ExecutionTrader mifid2ExecutionAlgo dontUseAutoPriceForHedge "
        "isOmsContainer discretionaryUpToLimitPrice usePriceMgmtAlgo"
    ),
    _plain("duration", since=158),
    _plain("postToAts", since=160),
    _plain("autoCancelParent", since=162),
    _plain("advancedErrorOverride", since=166),
    _plain("manualOrderTime", since=169),
    _plain("minTradeQty", since=170, when=lambda order: order.get("exchange") == "IBKRATS"),
    _plain("minCompeteSize competeAgainstBestOffset", since=170, when=_is_type("PEG BEST", "PEGBEST")),
    _plain(
        "midOffsetAtWhole midOffsetAtHalf",
        since=170,
        when=lambda order: (
            order.get("orderType") in {"PEG MID", "PEGMID"}
            or (
                order.get("orderType") in {"PEG BEST", "PEGBEST"}
                and order.get("competeAgainstBestOffset") == "Infinite"
            )
        ),
    ),
)

OPEN_ORDER: Final[tuple[Part, ...]] = (
    _plain("orderId " + _CONTRACT_11 + " " + _TERMS),
    _plain("clientId permId outsideRth hidden discretionaryAmt goodAfterTime _ faGroup faMethod faPercentage"),
    _plain("faProfile", before=177),
    _plain(
        "modelCode goodTillDate rule80A percentOffset settlingFirm shortSaleSlot designatedLocation exemptCode "
        "auctionStrategy startingPrice stockRefPrice delta stockRangeLower stockRangeUpper displaySize blockOrder "
        "sweepToFill allOrNone minQty ocaType eTradeOnly firmQuoteOnly nbboPriceCap parentId triggerMethod volatility "
        "volatilityType deltaNeutralOrderType deltaNeutralAuxPrice"
    ),
    _plain(
        "deltaNeutralConId deltaNeutralSettlingFirm deltaNeutralClearingAccount deltaNeutralClearingIntent "
        "deltaNeutralOpenClose deltaNeutralShortSale deltaNeutralShortSaleSlot deltaNeutralDesignatedLocation",
        when=_said("deltaNeutralOrderType"),
    ),
    _plain("continuousUpdate referencePriceType trailStopPrice trailingPercent basisPoints basisPointsType"),
    _plain("comboLegsDescrip"),
    *_COMBO,
    *_SCALE,
    *_HEDGE,
    _plain("optOutSmartRouting clearingAccount clearingIntent notHeld"),
    *_DELTA_NEUTRAL_CONTRACT,
    *_ALGO,
    _plain("solicited whatIf status"),
    _plain("initMarginBefore maintMarginBefore equityWithLoanBefore"),
    _plain("initMarginChange maintMarginChange equityWithLoanChange"),
    _plain("initMarginAfter maintMarginAfter equityWithLoanAfter"),
    _plain("commission minCommission maxCommission commissionCurrency warningText randomizeSize randomizePrice"),
    _PEG_BENCH,
    Conditions(),
    _plain(
        "adjustedOrderType triggerPrice trailStopPrice lmtPriceOffset adjustedStopPrice adjustedStopLimitPrice "
        "adjustedTrailingAmount adjustableTrailingUnit softDollarName softDollarVal softDollarDisplay cashQty "
        "dontUseAutoPriceForHedge isOmsContainer discretionaryUpToLimitPrice usePriceMgmtAlgo"
    ),
    _plain("duration", since=159),
    _plain("postToAts", since=160),
    _plain("autoCancelParent", since=162),
    _PEG_TOLD,
)

COMPLETED_ORDER: Final[tuple[Part, ...]] = (
    _plain(_CONTRACT_11 + " " + _TERMS),
    _plain("permId outsideRth hidden discretionaryAmt goodAfterTime faGroup faMethod faPercentage"),
    _plain("faProfile", before=177),
    _plain(
        "modelCode goodTillDate rule80A percentOffset settlingFirm shortSaleSlot designatedLocation exemptCode "
        "startingPrice stockRefPrice delta stockRangeLower stockRangeUpper displaySize sweepToFill allOrNone minQty "
        "ocaType triggerMethod volatility volatilityType deltaNeutralOrderType deltaNeutralAuxPrice"
    ),
    _plain(
        "deltaNeutralConId deltaNeutralShortSale deltaNeutralShortSaleSlot deltaNeutralDesignatedLocation",
        when=_said("deltaNeutralOrderType"),
    ),
    _plain("continuousUpdate referencePriceType trailStopPrice trailingPercent comboLegsDescrip"),
    *_COMBO,
    *_SCALE,
    *_HEDGE,
    _plain("clearingAccount clearingIntent notHeld"),
    *_DELTA_NEUTRAL_CONTRACT,
    *_ALGO,
    _plain("solicited status randomizeSize randomizePrice"),
    _PEG_BENCH,
    Conditions(),
    _plain("trailStopPrice lmtPriceOffset cashQty dontUseAutoPriceForHedge isOmsContainer autoCancelDate"),
    _plain("filledQuantity refFuturesConId autoCancelParent shareholder imbalanceOnly routeMarketableToBbo"),
    _plain("parentPermId completedTime completedStatus"),
    _PEG_TOLD,
)


def read_order(message: Reader, layout: tuple[Part, ...]) -> OrderFields:
    """Read an order; what a newer client appends after the layout is left over.

    Raises:
        WireError: the message ends too early.
    """
    order = OrderFields()
    for part in layout:
        part.read(message, order)
    order.scalars.pop("_", None)
    return order


def write_order(order: OrderFields, layout: tuple[Part, ...], version: int) -> list[str]:
    """Return the fields of a message about an order."""
    return [value for part in layout for value in part.write(order, version)]
