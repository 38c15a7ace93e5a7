"""Kept accounts: what each account was last opened with, as plain files, since flattening must not need Prefect.

No secret is kept. Where a provider of bars wants a key, what the desk has stored of its bars takes its place.
"""

from pathlib import Path

from pydantic import ValidationError

from adapters.private_file import write_private
from blocks.broker_account import BrokerAccount
from trading.errors import InvalidValue

FOLDER = "accounts"
_SECRETS = {"bar_source": {"api_key", "api_secret"}}


def keep_account(home: Path, account: BrokerAccount) -> None:
    """Write the account's settings, if they are not those that were written last."""
    path = home / FOLDER / f"{account.account}.json"
    content = account.model_dump_json(indent=1, exclude=_SECRETS).encode()
    if not path.exists() or path.read_bytes() != content:
        write_private(path, content)


def kept_account(home: Path, account: str) -> BrokerAccount | None:
    """Return the settings that the account was last opened with; None when this desk has never opened it.

    Raises:
        InvalidValue: the file is not what was written.
    """
    path = home / FOLDER / f"{account}.json"
    if not path.exists():
        return None
    try:
        return BrokerAccount.model_validate_json(path.read_bytes())
    except ValidationError as exc:
        rule = "as it was written; the next session of the account mends it"
        raise InvalidValue("kept account", str(path), rule) from exc
