"""What children need, imported and read once; each is then forked from this one in milliseconds."""

import functools
import gc
from datetime import date
from importlib import import_module

import skfolio.datasets

import flows.ingest_bars
import flows.reconcile_day
import flows.trade_session  # noqa: F401
import tests.adapters.sql.ledger_child
import tests.flows.desk_process  # noqa: F401
from trading.market.calendars import TradingCalendar

LATE = (  # imported by Prefect, SQLAlchemy and the flows only when they run
    "anyio._backends._asyncio",
    "fastapi",
    "great_expectations",
    "matplotlib.figure",
    "pandas.core.reshape.reshape",
    "prefect.engine",
    "prefect.flow_engine",
    "prefect.task_engine",
    "prefect.utilities.visualization",
    "pytest",
    "sqlite3",
)
for name in LATE:
    import_module(name)
skfolio.datasets.load_sp500_dataset = functools.cache(skfolio.datasets.load_sp500_dataset)
skfolio.datasets.load_sp500_dataset()
for mic in ("XNYS", "XNAS"):
    TradingCalendar(mic).require_session(date(2022, 12, 28))
gc.freeze()  # else each process walks through all of this again and again
