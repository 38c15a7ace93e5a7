"""What each of IB's error codes means for an order: a table, and nothing but the table decides.

A code that is not here proves nothing: an order in flight is then UNKNOWN until IB has been asked.

Source: "Error Codes" of the TWS API (interactivebrokers.github.io/tws-api/message_codes.html), and the codes that the
client libraries take for warnings or for the end of an order. Where those two call an order dead that is alive (10349
and others), the meaning here is IB's.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple


class ErrorClass(StrEnum):
    """What a code says about the order or request that it names."""

    FINAL_REJECT = "final_reject"  # a new order was not taken; of a change to a working one, only the change was not
    REQUEST_REFUSED = "request_refused"  # a cancel, change or question was refused; the order is as it was
    CANCEL_CONFIRMED = "cancel_confirmed"  # comes with a status; the status is what counts
    WARNING = "warning"  # changes nothing
    CONNECTIVITY = "connectivity"
    PACING = "pacing"  # a message was thrown away: IB does not say which
    NOT_SUBSCRIBED = "not_subscribed"
    UNKNOWN = "unknown"  # proves nothing: ask


class ErrorMeaning(NamedTuple):
    """The class of a code and what IB says with it."""

    error_class: ErrorClass
    meaning: str


_FINAL_REJECT = {
    106: "the order id cannot be transmitted",
    107: "the order is incomplete",
    109: "price outside the percentage of the order defaults",
    110: "price off the minimum price variation",
    111: "time in force and order type do not go together",
    113: "MOC and LOC orders must be DAY",
    114: "relative orders are for stocks only",
    115: "relative orders of US stocks go to SMART and few others",
    116: "dead exchange",
    117: "block order too small",
    118: "VWAP orders go to the VWAP exchange",
    119: "only VWAP orders go to the VWAP exchange",
    120: "too late for a VWAP order today",
    125: "buy price must be the best ask",
    126: "sell price must be the best bid",
    129: "VWAP order too close to its start",
    132: "no clearing account",
    133: "submitting the order failed",
    140: "size must be an integer",
    141: "price must be a number",
    144: "size does not match the allocation",
    145: "entry fields are invalid",
    146: "invalid trigger method",
    147: "condition without a complete contract",
    148: "conditional orders must be limit or market",
    151: "no user name",
    152: "the order may not be hidden",
    153: "EFPs must be limit orders",
    154: "the security is halted",
    157: "either iceberg or discretionary",
    158: "offset missing",
    159: "percent offset outside 0 to 100",
    160: "size is zero",
    163: "price would violate the percentage constraint",
    164: "no market data to check the percentage constraint by",
    167: "VWAP time must be in the future",
    168: "discretionary amount off the minimum price variation",
    200: "no such contract, or more than one",
    201: "rejected, with the reason",
    203: "the account may not trade the security",
    312: "combo details are invalid",
    313: "a combo leg is invalid",
    314: "a combo needs legs",
    315: "stock combos go to SMART only",
    320: "the request could not be read",
    321: "the request is invalid",
    325: "discretionary is not supported here",
    328: "trailing stops attach to limit and stop-limit orders only",
    334: "invalid good-till date",
    336: "invalid time or zone",
    337: "invalid date, time or zone",
    338: "good-after is not supported here",
    339: "futures spreads must be combos",
    342: "pegged orders are not supported here",
    347: "short sale slot must be 1 or 2",
    348: "not a short sale",
    349: "combos cannot be good-after",
    350: "combos cannot have a minimum quantity",
    351: "regular-hours flag is not valid for the order",
    355: "size does not conform to the market rule",
    356: "smart combos cannot be in an OCA group",
    358: "smart combos cannot be children",
    359: "combos can only reduce without block",
    361: "invalid trigger price",
    362: "invalid adjusted stop price",
    387: "order type not supported for exchange and security",
    388: "size below the minimum",
    391: "invalid time or zone",
    392: "the contract has expired",
    400: "algo order error",
    402: "conditions are not allowed for the contract",
    403: "invalid stop price",
    405: "child and parent must have the same size",
    406: "currency not allowed",
    412: "the contract is not available for trading",
    413: "a what-if order must transmit",
    421: "invalid route",
    434: "size is zero",
    435: "account missing",
    439: "unknown algorithm",
    441: "algorithm attributes are invalid",
    442: "algorithm not allowed for the order",
    443: "unknown algorithm attribute",
    460: "no permission to trade it",
    10006: "the parent order is missing",
    10043: "non-guaranteed combo flag missing or invalid",
    10243: "no fractional quantity through the API",
    10268: "EtradeOnly is not supported",
    10269: "FirmQuoteOnly is not supported",
    10270: "NbboPriceCap is not supported",
    10318: "no fractional quantity",
}

_REQUEST_REFUSED = {
    102: "duplicate ticker id",
    104: "a filled order cannot change",
    105: "the change does not match the order",
    134: "the change failed",
    135: "no order of that id",
    136: "the order cannot be canceled",
    137: "too late to cancel a VWAP order",
    161: "the order is not in a state to be canceled",
    162: "historical data refused, with the reason",
    165: "historical data query message",
    166: "expired contract",
    300: "no request of that id",
    309: "too many market depth requests",
    310: "no market depth request of that id",
    316: "market depth was halted, and has to be asked for anew",
    322: "the request could not be processed",
    329: "the order type cannot change",
    366: "no historical query of that id",
    420: "invalid real-time query",
    440: "the algorithm cannot change",
    2102: "the order cannot change while it is being processed",
    10147: "the order to cancel is not known to this client id",
    10148: "the order cannot be canceled in its state",
    10190: "too many tick-by-tick requests",
}

_WARNING = {
    131: "sweep-to-fill and display size are ignored",
    317: "market depth was reset",
    399: "order message, such as: will not be placed until the open",
    404: "held until shares to sell short are located",
    492: "order warning",
    2100: "account updates went to another client",
    2101: "no account updates",
    2109: "outside regular hours is ignored for this order",
    2137: "the order crosses a position",
    2152: "market depth without the exchanges that are not subscribed",
    2161: "the price was capped by regulation",
    10167: "delayed data are shown",
    10349: "time in force was set by the preset",
}

_CONNECTIVITY = {
    326: "client id in use",
    502: "cannot connect",
    503: "TWS is out of date",
    504: "not connected",
    507: "bad message length: the socket is lost",
    1100: "TWS and IB are disconnected",
    1101: "reconnected, subscriptions lost",
    1102: "reconnected, subscriptions kept",
    1300: "the socket port has changed",
    2103: "market data farm disconnected",
    2104: "market data farm connected",
    2105: "historical data farm disconnected",
    2106: "historical data farm connected",
    2107: "historical data farm asleep",
    2108: "market data farm asleep",
    2110: "TWS and IB are disconnected, TWS keeps trying",
    2119: "market data farm connecting",
    2157: "security definition farm disconnected",
    2158: "security definition farm connected",
}

_NOT_SUBSCRIBED = {
    101: "no market data line left",
    354: "no subscription to the data",
    10089: "the data need another subscription",
    10090: "a part of the data is not subscribed",
    10091: "a part of the data is not subscribed",
    10092: "no market depth of this kind of contract there",
    10168: "not subscribed, and delayed data are off",
    10186: "not subscribed, and delayed data are off",
    10187: "no historical ticks",
    10189: "no tick-by-tick data",
    10197: "another session of the user has the data",
}

_UNKNOWN = {
    103: "duplicate order id: perhaps of this very order, sent twice",
    323: "server error, with the cause",
    382: "order error",
    10149: "invalid order id",
    10311: "direct routing needs a confirmation",
}

ERROR_CODES: Mapping[int, ErrorMeaning] = MappingProxyType(
    {
        code: ErrorMeaning(error_class, meaning)
        for error_class, codes in (
            (ErrorClass.FINAL_REJECT, _FINAL_REJECT),
            (ErrorClass.REQUEST_REFUSED, _REQUEST_REFUSED),
            (ErrorClass.WARNING, _WARNING),
            (ErrorClass.CONNECTIVITY, _CONNECTIVITY),
            (ErrorClass.NOT_SUBSCRIBED, _NOT_SUBSCRIBED),
            (ErrorClass.UNKNOWN, _UNKNOWN),
            (ErrorClass.PACING, {100: "more messages than allowed in a second"}),
            (ErrorClass.CANCEL_CONFIRMED, {202: "canceled, with the reason"}),
        )
        for code, meaning in codes.items()
    }
)


def classify(code: int, own: Mapping[int, ErrorClass]) -> ErrorClass:
    """Return the class of a code: what the settings say of it, else the table, else UNKNOWN."""
    if code in own:
        return own[code]
    return ERROR_CODES[code].error_class if code in ERROR_CODES else ErrorClass.UNKNOWN
