"""What the simulated market lists: stocks, funds, options, futures, currencies and indexes, as rows.

The symbols are real; ids, prices and chains are the simulator's own. Rows are only ever appended, because an id is
the row's place.
"""

import calendar
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from types import MappingProxyType

from ib_gateway.contracts import (
    CENT,
    FX_PIP,
    NICKEL_DIME,
    PENNY_PILOT,
    QUARTER,
    SUB_DOLLAR,
    YEN_PIP,
    Contract,
    Listing,
    increment_at,
)

FIRST_EXPIRY_YEAR, LAST_EXPIRY_YEAR = 2024, 2028
STRIKES_EACH_SIDE = 10

# symbol, listed on, name, price, a session's volatility, dividend yield, volume in thousands, industry
_STOCKS = """
AAPL|NASDAQ|APPLE INC|250|0.016|0.004|50000|Technology
AMD|NASDAQ|ADVANCED MICRO DEVICES|160|0.030|0|45000|Technology
BAC|NYSE|BANK OF AMERICA CORP|45|0.015|0.023|38000|Financial
BBY|NYSE|BEST BUY CO INC|85|0.021|0.044|3000|Consumer, Cyclical
CVX|NYSE|CHEVRON CORP|155|0.014|0.042|8000|Energy
GE|NYSE|GENERAL ELECTRIC|200|0.017|0.006|5000|Industrial
HD|NYSE|HOME DEPOT INC|390|0.013|0.023|3500|Consumer, Cyclical
JNJ|NYSE|JOHNSON & JOHNSON|160|0.011|0.031|7000|Consumer, Non-cyclical
JPM|NYSE|JPMORGAN CHASE & CO|240|0.014|0.021|9000|Financial
KO|NYSE|COCA-COLA CO/THE|65|0.010|0.030|14000|Consumer, Non-cyclical
LLY|NYSE|ELI LILLY & CO|800|0.018|0.007|3500|Consumer, Non-cyclical
MRK|NYSE|MERCK & CO. INC.|100|0.013|0.031|11000|Consumer, Non-cyclical
MSFT|NASDAQ|MICROSOFT CORP|430|0.014|0.008|21000|Technology
PEP|NASDAQ|PEPSICO INC|150|0.010|0.036|6000|Consumer, Non-cyclical
PFE|NYSE|PFIZER INC|26|0.014|0.064|40000|Consumer, Non-cyclical
PG|NYSE|PROCTER & GAMBLE CO/THE|170|0.010|0.024|7000|Consumer, Non-cyclical
RRC|NYSE|RANGE RESOURCES CORP|35|0.027|0.009|2500|Energy
UNH|NYSE|UNITEDHEALTH GROUP INC|520|0.016|0.016|4000|Consumer, Non-cyclical
WMT|NYSE|WALMART INC|90|0.012|0.009|16000|Consumer, Cyclical
XOM|NYSE|EXXON MOBIL CORP|110|0.014|0.036|15000|Energy
AMZN|NASDAQ|AMAZON.COM INC|210|0.019|0|40000|Communications
GOOGL|NASDAQ|ALPHABET INC-CL A|180|0.018|0.004|28000|Communications
META|NASDAQ|META PLATFORMS INC|590|0.021|0.003|13000|Communications
NVDA|NASDAQ|NVIDIA CORP|135|0.030|0.0003|220000|Technology
TSLA|NASDAQ|TESLA INC|300|0.036|0|95000|Consumer, Cyclical
NFLX|NASDAQ|NETFLIX INC|880|0.021|0|3500|Communications
INTC|NASDAQ|INTEL CORP|22|0.026|0|60000|Technology
CSCO|NASDAQ|CISCO SYSTEMS INC|58|0.013|0.027|18000|Communications
ORCL|NYSE|ORACLE CORP|170|0.018|0.009|9000|Technology
IBM|NYSE|INTL BUSINESS MACHINES CORP|225|0.013|0.029|4000|Technology
DIS|NYSE|WALT DISNEY CO/THE|110|0.016|0.008|10000|Communications
V|NYSE|VISA INC-CLASS A SHARES|310|0.012|0.007|6000|Financial
MA|NYSE|MASTERCARD INC - A|520|0.012|0.005|2500|Financial
C|NYSE|CITIGROUP INC|70|0.016|0.032|13000|Financial
WFC|NYSE|WELLS FARGO & CO|73|0.016|0.022|15000|Financial
GS|NYSE|GOLDMAN SACHS GROUP INC|580|0.016|0.020|2200|Financial
T|NYSE|AT&T INC|23|0.012|0.048|33000|Communications
VZ|NYSE|VERIZON COMMUNICATIONS INC|41|0.011|0.065|17000|Communications
NKE|NYSE|NIKE INC -CL B|76|0.019|0.020|11000|Consumer, Cyclical
MCD|NYSE|MCDONALD'S CORP|295|0.011|0.024|3500|Consumer, Cyclical
DUAL|NYSE|DUAL MINING CORP|12|0.025|0|900|Basic Materials
DUAL|AMEX|DUAL PROPERTY TRUST|18|0.012|0.050|120|Financial
PNNY|NASDAQ|PENNY EXPLORATION LTD|0.65|0.040|0|2500|Basic Materials
"""

_FUNDS = """
SPY|ARCA|SPDR S&P 500 ETF TRUST|600|0.010|0.012|60000|Equity Fund
QQQ|NASDAQ|INVESCO QQQ TRUST SERIES 1|510|0.013|0.006|40000|Equity Fund
IWM|ARCA|ISHARES RUSSELL 2000 ETF|235|0.014|0.012|28000|Equity Fund
VTI|ARCA|VANGUARD TOTAL STOCK MKT ETF|295|0.010|0.013|3500|Equity Fund
EFA|ARCA|ISHARES MSCI EAFE ETF|78|0.010|0.030|12000|Equity Fund
TLT|NASDAQ|ISHARES 20+ YEAR TREASURY BD|91|0.009|0.040|35000|Debt Fund
AGG|ARCA|ISHARES CORE U.S. AGGREGATE|98|0.003|0.037|7000|Debt Fund
GLD|ARCA|SPDR GOLD SHARES|245|0.010|0|8000|Commodity Fund
"""

# symbol, listed on, name, price, a session's volatility
_INDEXES = """
SPX|CBOE|S&P 500 STOCK INDEX|6000|0.010
NDX|NASDAQ|NASDAQ 100 STOCK INDEX|21000|0.013
VIX|CBOE|CBOE VOLATILITY INDEX|16|0.060
"""

# base, quote currency, price, a session's volatility
_CURRENCIES = """
EUR|USD|1.08|0.004
GBP|USD|1.27|0.005
AUD|USD|0.66|0.006
USD|JPY|150|0.006
USD|CHF|0.88|0.005
USD|CAD|1.37|0.004
"""

# symbol, exchange, name, multiplier, underlying index
_FUTURES = """
ES|CME|E-mini S&P 500|50|SPX
MES|CME|Micro E-Mini S&P 500 Stock Price Index|5|SPX
NQ|CME|E-mini NASDAQ 100|20|NDX
"""

_OPTION_UNDERLYINGS = ("AAPL", "MSFT", "SPY", "SPX")
_US_EXCHANGES = ("SMART", "AMEX", "NYSE", "CBOE", "PHLX", "ISE", "CHX", "ARCA", "ISLAND", "IEX", "NASDAQ")
_OPTION_EXCHANGES = ("SMART", "AMEX", "CBOE", "PHLX", "ISE", "BOX")
_MONTH_CODES: Mapping[int, str] = MappingProxyType({3: "H", 6: "M", 9: "U", 12: "Z"})
_SHARE_IDS, EXTRA_IDS, _FUND_IDS, _INDEX_IDS = 100_001, 150_001, 200_001, 300_001
_FX_IDS, _FUTURE_IDS, _OPTION_IDS = 400_001, 500_001, 600_001


def all_listings() -> Iterator[Listing]:
    """Return the listings of all rows, underlyings first."""
    stocks = [*shares(_STOCKS, _SHARE_IDS, "COMMON"), *shares(_FUNDS, _FUND_IDS, "ETF")]
    underlyings = [*stocks, *_indexes()]
    yield from underlyings
    yield from _currencies()
    by_symbol = {listing.contract.symbol: listing for listing in underlyings}
    yield from _futures(by_symbol)
    for place, symbol in enumerate(_OPTION_UNDERLYINGS):
        yield from _options(by_symbol[symbol], _OPTION_IDS + place * 100_000)


def _rows(table: str) -> Iterator[tuple[int, list[str]]]:
    return enumerate(line.split("|") for line in table.strip().splitlines())


def shares(table: str, first_id: int, stock_type: str) -> Iterator[Listing]:
    """Return the stocks or funds of a table, numbered from the first id."""
    for place, (symbol, primary, name, price, volatility, dividends, volume, industry) in _rows(table):
        rule = SUB_DOLLAR if Decimal(price) < 1 else CENT
        yield Listing(
            contract=Contract(
                con_id=first_id + place,
                symbol=symbol,
                sec_type="STK",
                exchange="SMART",
                primary_exchange=primary,
                currency="USD",
                local_symbol=symbol,
                trading_class="NMS" if primary == "NASDAQ" else symbol,
            ),
            long_name=name,
            reference_px=Decimal(price),
            daily_volatility=float(volatility),
            dividend_yield=float(dividends),
            daily_volume=int(volume) * 1000,
            exchanges=_US_EXCHANGES,
            market_rules=(rule,) * len(_US_EXCHANGES),
            min_tick=increment_at(rule, Decimal(0)),
            industry=industry,
            stock_type=stock_type,
        )


def _indexes() -> Iterator[Listing]:
    for place, (symbol, exchange, name, price, volatility) in _rows(_INDEXES):
        yield Listing(
            contract=Contract(
                con_id=_INDEX_IDS + place,
                symbol=symbol,
                sec_type="IND",
                exchange=exchange,
                currency="USD",
                local_symbol=symbol,
                trading_class=symbol,
            ),
            long_name=name,
            reference_px=Decimal(price),
            daily_volatility=float(volatility),
            exchanges=(exchange,),
            market_rules=(CENT,),
            min_tick=Decimal("0.01"),
            industry="Indices",
        )


def _currencies() -> Iterator[Listing]:
    for place, (base, quote, price, volatility) in _rows(_CURRENCIES):
        rule = YEN_PIP if quote == "JPY" else FX_PIP
        yield Listing(
            contract=Contract(
                con_id=_FX_IDS + place,
                symbol=base,
                sec_type="CASH",
                exchange="IDEALPRO",
                currency=quote,
                local_symbol=f"{base}.{quote}",
                trading_class=f"{base}.{quote}",
            ),
            long_name=f"{base}.{quote}",
            reference_px=Decimal(price),
            daily_volatility=float(volatility),
            exchanges=("IDEALPRO",),
            market_rules=(rule,),
            min_tick=increment_at(rule, Decimal(0)),
        )


def _futures(underlyings: Mapping[str, Listing]) -> Iterator[Listing]:
    for place, (symbol, exchange, name, multiplier, index) in _rows(_FUTURES):
        under = underlyings[index]
        for month, expiry in enumerate(day for day in _third_fridays() if day.month in _MONTH_CODES):
            yield Listing(
                contract=Contract(
                    con_id=_FUTURE_IDS + place * 1000 + month,
                    symbol=symbol,
                    sec_type="FUT",
                    last_trade_date=expiry.strftime("%Y%m%d"),
                    multiplier=multiplier,
                    exchange=exchange,
                    currency="USD",
                    local_symbol=f"{symbol}{_MONTH_CODES[expiry.month]}{expiry.year % 10}",
                    trading_class=symbol,
                ),
                long_name=name,
                reference_px=under.reference_px,
                daily_volatility=under.daily_volatility,
                daily_volume=1_500_000,
                exchanges=(exchange,),
                market_rules=(QUARTER,),
                min_tick=Decimal("0.25"),
                under_con_id=under.contract.con_id,
                under_symbol=index,
                under_sec_type="IND",
            )


def _options(under: Listing, first_id: int) -> Iterator[Listing]:
    rule = NICKEL_DIME if under.contract.sec_type == "IND" else PENNY_PILOT
    exchanges = ("SMART", "CBOE") if under.contract.sec_type == "IND" else _OPTION_EXCHANGES
    con_id = first_id
    for expiry in _third_fridays():
        for strike in strikes_around(under.reference_px):
            for right in ("C", "P"):
                yield _option(under, con_id, expiry, strike, right, rule, exchanges)
                con_id += 1


def _option(
    under: Listing, con_id: int, expiry: date, strike: Decimal, right: str, rule: int, exchanges: tuple[str, ...]
) -> Listing:
    symbol = under.contract.symbol
    return Listing(
        contract=Contract(
            con_id=con_id,
            symbol=symbol,
            sec_type="OPT",
            last_trade_date=expiry.strftime("%Y%m%d"),
            strike=float(strike),
            right=right,
            multiplier="100",
            exchange="SMART",
            currency="USD",
            local_symbol=f"{symbol:<6}{expiry:%y%m%d}{right}{int(strike * 1000):08d}",
            trading_class=symbol,
        ),
        long_name=under.long_name,
        reference_px=under.reference_px,
        daily_volatility=under.daily_volatility,
        daily_volume=500,
        exchanges=exchanges,
        market_rules=(rule,) * len(exchanges),
        min_tick=increment_at(rule, Decimal(0)),
        under_con_id=under.contract.con_id,
        under_symbol=symbol,
        under_sec_type=under.contract.sec_type,
    )


def strikes_around(price: Decimal) -> list[Decimal]:
    """Return the chain's strikes: ten steps each way; 5 dollars a step from 100 on, 50 from 1000 on, else 1."""
    step = Decimal(50 if price >= 1000 else 5 if price >= 100 else 1)
    middle = (price / step).to_integral_value() * step
    return [middle + step * n for n in range(-STRIKES_EACH_SIDE, STRIKES_EACH_SIDE + 1)]


def _third_fridays() -> Iterator[date]:
    for year in range(FIRST_EXPIRY_YEAR, LAST_EXPIRY_YEAR + 1):
        for month in range(1, 13):
            first = date(year, month, 1)
            to_friday = (calendar.FRIDAY - first.weekday()) % 7
            yield first + timedelta(days=to_friday + 14)
