"""`python -m iqfeed_server`: run the server until it is stopped."""

import argparse
import asyncio
import sys

from pydantic import ValidationError

from iqfeed_server.faults import Armed, Fault, Port, parse_fault
from iqfeed_server.server import IqfeedServer, listening_text
from iqfeed_server.server_settings import HOST, SYMBOLS, ServerSettings


def main(arguments: list[str] | None = None) -> int:
    """Read the options and serve."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    try:
        settings = ServerSettings(
            port_level1=asked.port_level1,
            port_level2=asked.port_level2,
            port_lookup=asked.port_lookup,
            port_admin=asked.port_admin,
            seed=asked.seed,
            symbols=tuple(asked.symbols.upper().split(",")),
            symbol_limit=asked.symbol_limit,
            delay_minutes=asked.delay_minutes,
            updates_per_second=asked.updates_per_second,
        )
    except ValidationError as exc:
        first = exc.errors()[0]
        parser.error(f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg']}")
    try:
        asyncio.run(_serve(settings, asked.fault))
    except OSError as exc:
        sys.stderr.write(f"it cannot listen on {HOST} ({exc}); is IQConnect running? Give other ports\n")
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


async def _serve(settings: ServerSettings, faults: list[Armed]) -> None:
    async with IqfeedServer(settings) as server:
        for fault in faults:
            server.faults.arm(fault.fault, fault.port, after=fault.after, times=fault.times)
        sys.stdout.write(f"An IQFeed stand-in listens on {HOST}: {listening_text(server)}\n")
        sys.stdout.write(f"Seed {settings.seed}, symbols {' '.join(settings.symbols)}; stop: Ctrl-C\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m iqfeed_server", description=__doc__)
    for name, port in (("level1", 5009), ("level2", 9200), ("lookup", 9100), ("admin", 9300)):
        parser.add_argument(f"--port-{name}", type=int, default=port, help=f"0 takes a free one; IQConnect: {port}")
    parser.add_argument("--seed", type=int, default=0, help="of the made-up market")
    parser.add_argument("--symbols", default=",".join(SYMBOLS), help="those it knows, by comma")
    parser.add_argument("--symbol-limit", type=int, default=500, help="symbols that one client may watch")
    parser.add_argument("--delay-minutes", type=int, default=0, help="say that quotes are so late")
    parser.add_argument("--updates-per-second", type=float, default=10.0, help="over all watched symbols")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        type=parse_fault,
        metavar="FAULT:PORT[:AFTER]",
        help=f"once, after so many lines or answers; faults {', '.join(Fault)}; ports {', '.join(Port)}",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
