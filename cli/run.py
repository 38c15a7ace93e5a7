"""Run sessions and show what came of them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from cli import pages
from cli.prefect_server import login_path
from cli.prepare import ledger_place, prepare
from cli.rehearse import SessionRun, run_sessions, sessions_to_run

if TYPE_CHECKING:
    from adapters.sql.ledger import Ledger


async def run_and_show(
    home: Path,
    ui_url: str,
    *,
    session: date | None,
    first: date | None,
    last: date | None,
    account: str,
    strategy: str,
    parameters: dict[str, Any],
    as_json: bool,
) -> None:
    """Run the sessions; print a line for each, and the whole of the last one."""
    from prefect.logging.handlers import APILogHandler

    from adapters.sql.ledger import Ledger
    from blocks.broker_account import BrokerAccount
    from blocks.desk import load

    console = Console(stderr=as_json)
    await prepare(home)
    try:
        runs = await run_sessions(
            await sessions_to_run(account, session, first, last),
            account=account,
            strategy=strategy,
            parameters=parameters,
            told=lambda line: console.print(line, highlight=False, soft_wrap=True, markup=False),
        )
    finally:
        await APILogHandler.aflush()  # while the server is there to take the logs
    account = (await load(BrokerAccount, account)).account  # the block may be called otherwise
    ledger = Ledger.of(ledger_place(home))
    if as_json:
        pages.show_json(_summary(ledger, account, runs))
    elif runs:
        _show_session(ledger, account, runs[-1])
        console.print(_how_to_look(home, ui_url, runs[-1]), soft_wrap=True, highlight=False)


def _summary(ledger: "Ledger", account: str, runs: Sequence[SessionRun]) -> list[dict[str, Any]]:
    worth = {r.session: r for r in ledger.facts.reconciliations(account)}
    return [
        {
            "session": run.session,
            "run_id": run.run_id,
            "message": run.message,
            "equity": worth[run.session].equity,
            "cash": worth[run.session].cash,
            "breaks": len(worth[run.session].breaks),
        }
        for run in runs
    ]


def _show_session(ledger: "Ledger", account: str, run: SessionRun) -> None:
    console, worth = Console(), {r.session: r for r in ledger.facts.reconciliations(account)}[run.session]
    decision = ledger.journal.last_decision(account)
    if decision is not None and decision["session"] == run.session:
        report = ledger.facts.quality_report(decision["verdict_id"])
        if report is not None:
            console.print(pages.quality_line(report), soft_wrap=True, highlight=False)
        pages.show(f"Targets of {decision['strategy']} for {run.session}", pages.target_rows(decision))
        pages.show("Risk decisions", pages.risk_rows(ledger.journal.risk_decisions(decision["decision_id"]), decision))
    pages.show("Orders and fills", pages.order_rows(ledger.journal.orders(account, session=run.session)))
    books = ledger.facts.books(account, datetime.now(UTC))
    pages.show("Positions", pages.position_rows(books, worth.marks))
    pages.show("Breaks", pages.break_rows([worth]))
    console.print(f"[bold]Equity[/bold] {worth.equity:,.2f}, of which cash {worth.cash:,.2f}", highlight=False)


def _how_to_look(home: Path, ui_url: str, run: SessionRun) -> str:
    return (
        f"To see this run: `openbell up`, then open {ui_url}/runs/flow-run/{run.run_id}\n"
        f"The login is in {login_path(home)}"
    )
