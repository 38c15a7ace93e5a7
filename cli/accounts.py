"""Accounts by either of their names: the block's, or the one at the broker and in the ledger."""

from pathlib import Path
from typing import TYPE_CHECKING

from trading.errors import InvalidValue

if TYPE_CHECKING:
    from adapters.sql.ledger import Ledger


def require_known(ledger: "Ledger", home: Path, account: str) -> None:
    """Raise InvalidValue unless this desk was ever opened for the account: its name is mistyped, then."""
    kept = (home / "accounts").glob("*.json")  # those of `blocks.kept_accounts`, which would import Prefect
    known = {*ledger.journal.accounts(), *(path.stem for path in kept)}
    if account not in known:
        rule = f"one that a routine has opened, by its name at the broker: {', '.join(sorted(known)) or 'none is yet'}"
        raise InvalidValue("account", account, rule)


async def block_name(account: str) -> str:
    """Return the name of the block of that account; where no block is of it, the name itself, taken for a block's."""
    from prefect.client.orchestration import get_client  # its settings are read at import, and set before this

    from blocks.broker_account import BrokerAccount

    async with get_client() as client:
        saved = await client.read_block_documents_by_type(BrokerAccount.get_block_type_slug())
    return next((d.name for d in saved if d.name and d.data.get("account") == account), account)
