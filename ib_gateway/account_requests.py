"""What clients ask about accounts: values, portfolio, positions, profit; by message id."""

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from ib_gateway.accounts import Account, Position, units_of
from ib_gateway.client import Client
from ib_gateway.wire import UNSET_DOUBLE, Field, Reader

Handler = Callable[[Client, Reader], Awaitable[None]]


async def account_updates(client: Client, message: Reader) -> None:
    """Stream an account's values and portfolio, or stop."""
    message.integer()
    wanted, name = message.boolean(), message.text()
    if not wanted:
        client.account_updates = None
        return
    account = _account(client, name)
    if account is None:
        await client.error(-1, 321, f"Error validating request.-'bE' : cause - Invalid account code '{name}'")
        return
    client.account_updates = account.name
    post_account(client, account)
    await client.send(54, 1, account.name)


def post_account(client: Client, account: Account) -> None:
    """Tell all values and the whole portfolio of an account."""
    for key, value, currency in _values(client, account):
        client.post(6, 2, key, value, currency, account.name)
    for position in list(account.positions.values()):
        client.post(7, *_portfolio(client, account, position))
    client.post(8, 1, client.gateway.now().strftime("%H:%M"))


def _values(client: Client, account: Account) -> list[tuple[str, str, str]]:
    return account.values(client.gateway.mark) + _ledger(client, account)


def _ledger(client: Client, account: Account) -> list[tuple[str, str, str]]:
    prefix = "$LEDGER-" if client.gateway.settings.ledger_prefix else ""
    return [(prefix + key, value, currency) for key, value, currency in account.ledger(client.gateway.mark)]


def _portfolio(client: Client, account: Account, position: Position) -> list[Field]:
    contract = position.contract
    twelve = contract.fields12()
    price = client.gateway.mark(contract)
    value = price * position.quantity * units_of(contract)
    fields: list[Field] = [8, *twelve[:7], contract.primary_exchange or contract.exchange, *twelve[9:]]
    fields += [position.quantity, price, value, position.average_cost]
    return [*fields, account.open_profit(position, client.gateway.mark), position.realized, account.name]


async def positions(client: Client, message: Reader) -> None:
    """Tell the positions of all accounts, and each as it changes."""
    del message
    client.wants_positions = True
    for account in client.gateway.accounts.values():
        for position in list(account.positions.values()):
            if position.quantity:
                post_position(client, account, position)
    await client.send(62, 1)


def post_position(client: Client, account: Account, position: Position) -> None:
    """Tell one position; 0 units say that it was closed."""
    fields = position.contract.fields11()
    client.post(61, 3, account.name, *fields, position.quantity, position.average_cost)


async def cancel_positions(client: Client, message: Reader) -> None:
    """Stop telling positions."""
    del message
    client.wants_positions = False


async def account_summary(client: Client, message: Reader) -> None:
    """Tell some values of all accounts."""
    message.integer()
    req_id, _, tags = message.integer(), message.text(), message.text()
    wanted = set(tags.split(",")) if tags else set()
    for account in client.gateway.accounts.values():
        rows = account.values(client.gateway.mark)
        if any(tag.startswith("$LEDGER") for tag in wanted):
            rows = rows + account.ledger(client.gateway.mark)
            wanted |= {key for key, _, _ in rows}
        for key, value, currency in rows:
            if key in wanted:
                await client.send(63, 1, req_id, account.name, key, value, currency)
    await client.send(64, 1, req_id)


async def account_updates_multi(client: Client, message: Reader) -> None:
    """Tell the values of one account once: all of them, or only those that are kept per currency."""
    message.integer()
    req_id, name = message.integer(), message.text()
    message.text()
    ledger_only = message.boolean()
    account = _account(client, name)
    if account is None:
        await client.error(req_id, 321, f"Error validating request.-'bE' : cause - Invalid account code '{name}'")
        return
    for key, value, currency in _ledger(client, account) if ledger_only else _values(client, account):
        await client.send(73, 1, req_id, account.name, "", key, value, currency)
    await client.send(74, 1, req_id)


async def pnl(client: Client, message: Reader) -> None:
    """Tell an account's profit, and again as it changes."""
    req_id, account = message.integer(), _account(client, message.text())
    if account is None:
        await client.error(req_id, 321, "Error validating request.-'bE' : cause - Invalid account code")
        return
    client.gateway.teller.profit_watchers[client, req_id] = lambda: _post_pnl(client, req_id, account)
    client.subscribe("pnl", req_id, lambda: _forget(client, req_id))
    _post_pnl(client, req_id, account)


def _post_pnl(client: Client, req_id: int, account: Account) -> None:
    open_profit, realized = account.unrealized(client.gateway.mark), account.realized()
    client.post(94, req_id, open_profit + realized, open_profit, realized)


async def pnl_single(client: Client, message: Reader) -> None:
    """Tell one position's profit, and again as it changes."""
    req_id, account = message.integer(), _account(client, message.text())
    message.text()
    con_id = message.integer()
    if account is None:
        await client.error(req_id, 321, "Error validating request.-'bE' : cause - Invalid account code")
        return
    client.gateway.teller.profit_watchers[client, req_id] = lambda: _post_pnl_single(client, req_id, account, con_id)
    client.subscribe("pnl", req_id, lambda: _forget(client, req_id))
    _post_pnl_single(client, req_id, account, con_id)


def _post_pnl_single(client: Client, req_id: int, account: Account, con_id: int) -> None:
    position = account.positions.get(con_id)
    if position is None:
        client.post(95, req_id, 0, UNSET_DOUBLE, UNSET_DOUBLE, UNSET_DOUBLE, UNSET_DOUBLE)
        return
    open_profit = account.open_profit(position, client.gateway.mark)
    value = client.gateway.mark(position.contract) * position.quantity * units_of(position.contract)
    daily: Decimal = open_profit + position.realized
    client.post(95, req_id, position.quantity, daily, open_profit, position.realized, value)


def _forget(client: Client, req_id: int) -> None:
    client.gateway.teller.profit_watchers.pop((client, req_id), None)


async def cancel_pnl(client: Client, message: Reader) -> None:
    """Stop telling a profit."""
    client.unsubscribe("pnl", message.integer())


async def managed_accounts(client: Client, message: Reader) -> None:
    """Tell the accounts."""
    del message
    await client.send(15, 1, ",".join(client.gateway.accounts))


async def current_time(client: Client, message: Reader) -> None:
    """Tell the gateway's time."""
    del message
    await client.send(49, 1, int(client.gateway.now().timestamp()))


async def nothing(client: Client, message: Reader) -> None:
    """Accept a request whose answer ends by itself."""
    del client, message


def _account(client: Client, name: str) -> Account | None:
    accounts = client.gateway.accounts
    return next(iter(accounts.values())) if not name and len(accounts) == 1 else accounts.get(name)


HANDLERS: Final[Mapping[int, Handler]] = MappingProxyType(
    {
        6: account_updates,
        17: managed_accounts,
        49: current_time,
        61: positions,
        62: account_summary,
        63: nothing,
        64: cancel_positions,
        76: account_updates_multi,
        77: nothing,
        92: pnl,
        93: cancel_pnl,
        94: pnl_single,
        95: cancel_pnl,
    }
)
