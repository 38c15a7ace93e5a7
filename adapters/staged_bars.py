"""Fetched bars in a file, between the stages of an ingestion."""

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from adapters.parquet_files import write_durably
from trading.errors import StoreCorrupt
from trading.market.bars import DailyBars, FetchedBars, FetchOutcome, FetchStatus, PriceBasis, bars_frame
from trading.market.corporate_actions import ActionKind, ActionTerms, CorporateAction

_KEY, _DIGEST = b"openbell", b"openbell.sha256"


def save_fetched(path: Path, fetched: FetchedBars) -> None:
    """Write what a source gave, whole: bars, outcomes and corporate actions; a power cut cannot undo it.

    Raises:
        StoreUnavailable: the file is not there, or as it was.
    """
    about = {
        "source": fetched.bars.source,
        "price_basis": fetched.bars.price_basis.value,
        "bars_hash": fetched.bars.content_hash(),
        "outcomes": [[o.symbol, o.status.value, o.text, o.provider] for o in fetched.outcomes],
        "actions": [_action_json(a) for a in fetched.actions],
    }
    table = pa.Table.from_pandas(fetched.bars.frame, preserve_index=False)
    text = json.dumps(about).encode()
    # Parquet's own checksums cover pages only, not what says where the pages are: a bit there would change a price.
    table = table.replace_schema_metadata({_KEY: text, _DIGEST: hashlib.sha256(text).hexdigest().encode()})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(table, path)


def load_fetched(path: Path) -> FetchedBars:
    """Read it back.

    Raises:
        StoreCorrupt: the file is not one that `save_fetched` finished, or has been damaged since.
    """
    try:
        table = pq.read_table(path)
        about = _about(path, table.schema)
        bars = DailyBars(
            frame=bars_frame(table.to_pandas()), source=about["source"], price_basis=PriceBasis(about["price_basis"])
        )
        written = bars.content_hash() == about["bars_hash"]
    except (OSError, pa.ArrowException, ValueError, LookupError, TypeError) as exc:
        raise StoreCorrupt(str(path), str(exc)) from exc
    if not written:
        raise StoreCorrupt(str(path), "its bars are not those that were written")
    return FetchedBars(
        bars=bars,
        outcomes=tuple(
            FetchOutcome(symbol=s, status=FetchStatus(k), text=t, provider=p) for s, k, t, p in about["outcomes"]
        ),
        actions=tuple(_action(a) for a in about["actions"]),
    )


def staged_symbols(path: Path) -> tuple[str, ...]:
    """Return the symbols that were asked for, without reading the bars.

    Raises:
        StoreCorrupt: the file is not one that `save_fetched` finished, or its end has been damaged since.
    """
    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException) as exc:
        raise StoreCorrupt(str(path), str(exc)) from exc
    return tuple(outcome[0] for outcome in _about(path, schema)["outcomes"])


def _about(path: Path, schema: pa.Schema) -> dict[str, Any]:
    metadata = schema.metadata or {}
    text = metadata.get(_KEY, b"")
    if metadata.get(_DIGEST) != hashlib.sha256(text).hexdigest().encode():
        raise StoreCorrupt(str(path), "what it says of itself does not have the digest written beside it")
    about: dict[str, Any] = json.loads(text)
    return about


def _action_json(action: CorporateAction) -> list[str]:
    terms = ActionTerms.of(action)
    return [terms.kind.value, terms.symbol, terms.ex_date.isoformat(), terms.value, terms.currency]


def _action(about: list[str]) -> CorporateAction:
    kind, symbol, ex_date, value, currency = about
    return ActionTerms(
        kind=ActionKind(kind), symbol=symbol, ex_date=date.fromisoformat(ex_date), value=value, currency=currency
    ).action()
