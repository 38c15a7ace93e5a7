"""`python -m benchmarks [NAME ...] [--quick]`: a line of JSON each; `--table` makes Markdown of them."""

import argparse
import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from benchmarks.measurement import QUIET_LOAD, SEED, Benchmark, Run
from benchmarks.table import markdown_table
from cli.prefect_server import adopt, client_environment

RESULTS = Path(__file__).with_name("results.jsonl")
BENCHMARKS = {
    "gate.order": "benchmarks.orders:gate_order",
    "gate.all_limits": "benchmarks.risk_gate:gate_all_limits",
    "order.durable": "benchmarks.orders:order_durable",
    "orders.batch500": "benchmarks.orders:orders_batch",
    "breaker_state": "benchmarks.breakers:breaker_state",
    "store.upsert3000": "benchmarks.bars:store_upsert",
    "store.read500x2y": "benchmarks.bars:store_read",
    "store.as_of500x2y": "benchmarks.bars:store_read_as_of",
    "store.bytes_per_bar": "benchmarks.bars:store_bytes",
    "minutes": "benchmarks.intraday:minutes",
    "ticks.append1000": "benchmarks.intraday:tick_parts",
    "ticks.compact": "benchmarks.intraday:tick_compaction",
    "gate.1m": "benchmarks.gate:million",
    "gate.10m": "benchmarks.gate:ten_million",
    "gate.catalogue": "benchmarks.corruptions:catalogue",
    "gx.1m": "benchmarks.bars:gx_million",
    "backfill.3000x10y": "benchmarks.backfill:backfill",
    "alerts": "benchmarks.alerts:storm",
    "watch.metrics": "benchmarks.watching:metrics",
    "watch.sustained": "benchmarks.watch_sustained:sustained",
    "watch.growth": "benchmarks.watch_growth:growth",
    "watch.session": "benchmarks.watch_session:session",
    "watch.limits": "benchmarks.watch_growth:limits",
    "trade_session": "benchmarks.sessions:trade_session",
    "ib.connect": "benchmarks.ib_orders:connect",
    "ib.order": "benchmarks.ib_orders:orders",
    "ib.recover": "benchmarks.ib_recovery:recover",
    "ib.stop": "benchmarks.ib_stop:stop",
    "ib.stop200": "benchmarks.ib_stop:stop_many",
    "ib.ticks": "benchmarks.ib_ticks:ticks",
    "iqfeed.ticks": "benchmarks.iqfeed:ticks",
    "options.iv": "benchmarks.options:european_volatilities",
    "options.greeks": "benchmarks.options:european_greeks",
    "options.american": "benchmarks.options:american_volatilities",
    "options.check": "benchmarks.options:chain_checks",
    "risk.measures": "benchmarks.risk_measures:measures",
    "risk.increment": "benchmarks.risk_measures:increments",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks that are named, or all."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if unknown := set(asked.names) - set(BENCHMARKS):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    if asked.table is not None:
        print(markdown_table(asked.table.read_text().splitlines()))
        return 0
    load = os.getloadavg()[0]
    if load > QUIET_LOAD:
        print(f"the machine is busy (load {load:.1f}), and each line will say so", file=sys.stderr)
    for name in asked.names or BENCHMARKS:
        with tempfile.TemporaryDirectory(prefix="openbell-benchmark-") as folder:
            adopt(client_environment(Path(folder), 1))  # settings of its own; no server is asked
            run = Run(folder=Path(folder), seed=asked.seed, quick=asked.quick, load=load)
            for measurement in _load(name)(run):
                print(measurement.line(run), flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the desk; a line of JSON each.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="only show that they run; all of it in a minute")
    parser.add_argument("--seed", type=int, default=SEED, help="of the made-up market")
    parser.add_argument(
        "--table", nargs="?", const=RESULTS, type=Path, metavar="FILE", help="print lines of a file as Markdown"
    )
    return parser


def _load(name: str) -> Benchmark:
    module, function = BENCHMARKS[name].split(":")
    benchmark: Benchmark = getattr(import_module(module), function)
    return benchmark


if __name__ == "__main__":
    sys.exit(main())
