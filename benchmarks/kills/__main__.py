"""`python -m benchmarks.kills --runs N`: the kill and fault campaign; exit code 1 if a run ends as none may."""

import argparse
import sys

from benchmarks.kills.campaign import report


def main(arguments: list[str] | None = None) -> int:
    """Run the seeds asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kills",
        description="Trade over the wire while processes die and messages go astray; a line of JSON sums it up.",
    )
    parser.add_argument("--runs", type=int, default=100, help="how many seeds")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--each", action="store_true", help="also print the digest of each run")
    asked = parser.parse_args(arguments)
    if asked.runs < 1 or asked.processes < 1:
        parser.error("--runs and --processes are at least 1")
    return report(range(asked.first_seed, asked.first_seed + asked.runs), asked.processes, each=asked.each)


if __name__ == "__main__":
    sys.exit(main())
