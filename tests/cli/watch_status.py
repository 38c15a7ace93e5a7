"""A status of a watch, as `watch_market` leaves it once a second."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil

WATCHING = """
import os, sys, time
from pathlib import Path
from adapters.watch_files import WatchFiles
from tests.cli.watch_status import a_status
while True:
    WatchFiles(Path(sys.argv[1]), "paper").write_status(a_status())
    time.sleep(0.1)
"""


def a_status(**changes: Any) -> dict[str, Any]:
    """Return the status of a watch by this process, in the middle of a session."""
    now = datetime.now(UTC)
    return {
        "account": "paper",
        "watch": "paper",
        "pid": os.getpid(),
        "created": psutil.Process().create_time(),
        "session": "2024-01-02",
        "started_at": (now - timedelta(minutes=5)).isoformat(),
        "at": now.isoformat(),
        "until": (now + timedelta(hours=1)).isoformat(),
        "state": "watching",
        "note": "",
        "feed": {
            "name": "ib",
            "silent_seconds": 0.4,
            "conflated": 0,
            "problems": {"XYZ": "no permission"},
            "switches": ["10:01:02 ib -> yahoo (polled): silent for 20 s"],
        },
        "market": ["volatile"],
        "ticks": 123_456,
        "ticks_per_second": 812,
        "busy_ms": 3.1,
        "lag_seconds": 0.2,
        "symbols": [a_symbol("IBM", qty=100, pnl=-250.5, conditions=["volatile", "low_liquidity"]), a_symbol("BAC")],
        "watched": 1000,
        "own": {
            "equity": 100_000.0,
            "day_pnl": -250.5,
            "day_loss_pct": 0.25,
            "drawdown_pct": 1.5,
            "gross_exposure_pct": None,
        },
        "orders": {"open": 3, "unacknowledged": 1},
        "broken": [
            a_break("spread-warning", "IBM", "warning", "spread_pct above 1"),
            a_break("no-stop-critical", "BAC", "critical", "position_without_stop above 0.5"),
        ],
        "unheard_rules": [["mine", "XYZ"]],
        "breakers": ["daily_loss"],
        "oddities": {"crossed": 3, "locked": 0},
        **changes,
    }


def a_symbol(symbol: str, **changes: Any) -> dict[str, Any]:
    """Return the row of a symbol that nothing is held of."""
    return {
        "symbol": symbol,
        "qty": 0,
        "pnl": None,
        "last": 181.8,
        "bid": 181.79,
        "ask": 181.81,
        "spread_pct": 0.011,
        "change_pct": 1.0,
        "volatility_5m_pct": 2.2,
        "liquidity": 0.71,
        "volume": 1_234_567.0,
        "volume_ratio": 1.3,
        "quote_age_seconds": 0.4,
        "conditions": ["normal"],
        **changes,
    }


def a_break(rule_id: str, subject: str, severity: str, text: str) -> dict[str, Any]:
    """Return a rule that is broken since a minute."""
    since = datetime.now(UTC) - timedelta(minutes=1)
    return {"rule_id": rule_id, "subject": subject, "severity": severity, "text": text, "since": since.isoformat()}
