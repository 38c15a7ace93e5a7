"""Routes: how each account's broker is reached, as plain files, since pulling the plug must not need Prefect."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from adapters.ib.ib_settings import IbSettings
from adapters.private_file import write_private
from trading.errors import InvalidValue

FOLDER = "brokers"
_SETTINGS = TypeAdapter(IbSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How the gateway of an account is reached; no secret is in it."""

    account: str
    settings: IbSettings


def keep_route(home: Path, route: Route) -> None:
    """Write the route, if it is not the one that was written last."""
    path = home / FOLDER / f"{route.account}.json"
    content = _SETTINGS.dump_json(route.settings, indent=1)
    if path.exists() and path.read_bytes() == content:
        return
    write_private(path, content)


def known_routes(home: Path) -> tuple[Route, ...]:
    """Return the routes of all accounts that this desk has opened.

    Raises:
        InvalidValue: a file is not what was written.
    """
    return tuple(_read(path) for path in sorted((home / FOLDER).glob("*.json")))


def _read(path: Path) -> Route:
    try:
        return Route(account=path.stem, settings=_SETTINGS.validate_json(path.read_bytes()))
    except ValidationError as exc:
        raise InvalidValue("route", str(path), "as it was written; the next session of the account mends it") from exc
