"""Accounts by either of their names: the block's, or the one at the broker and in the ledger."""


async def block_name(account: str) -> str:
    """Return the name of the block of that account; where no block is of it, the name itself, taken for a block's."""
    from prefect.client.orchestration import get_client  # its settings are read at import, and set before this

    from blocks.broker_account import BrokerAccount

    async with get_client() as client:
        saved = await client.read_block_documents_by_type(BrokerAccount.get_block_type_slug())
    return next((d.name for d in saved if d.name and d.data.get("account") == account), account)
