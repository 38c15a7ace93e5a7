"""Fetched bars in a file, between the stages of an ingestion."""

import json
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from trading.errors import StoreCorrupt
from trading.market.bars import DailyBars, FetchedBars, FetchOutcome, FetchStatus, PriceBasis, bars_frame
from trading.market.corporate_actions import ActionKind, ActionTerms, CorporateAction

_KEY = b"openbell"


def save_fetched(path: Path, fetched: FetchedBars) -> None:
    """Write what a source gave, whole: bars, outcomes and corporate actions."""
    about = {
        "source": fetched.bars.source,
        "price_basis": fetched.bars.price_basis.value,
        "outcomes": [[o.symbol, o.status.value, o.text, o.provider] for o in fetched.outcomes],
        "actions": [_action_json(a) for a in fetched.actions],
    }
    table = pa.Table.from_pandas(fetched.bars.frame, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _KEY: json.dumps(about).encode()})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def load_fetched(path: Path) -> FetchedBars:
    """Read it back.

    Raises:
        StoreCorrupt: the file is not one that `save_fetched` finished.
    """
    try:
        table = pq.read_table(path)
        about = json.loads(table.schema.metadata[_KEY])
    except (OSError, pa.ArrowException, KeyError, TypeError) as exc:
        raise StoreCorrupt(str(path), str(exc)) from exc
    return FetchedBars(
        bars=DailyBars(
            frame=bars_frame(table.to_pandas()), source=about["source"], price_basis=PriceBasis(about["price_basis"])
        ),
        outcomes=tuple(
            FetchOutcome(symbol=s, status=FetchStatus(k), text=t, provider=p) for s, k, t, p in about["outcomes"]
        ),
        actions=tuple(_action(a) for a in about["actions"]),
    )


def _action_json(action: CorporateAction) -> list[str]:
    terms = ActionTerms.of(action)
    return [terms.kind.value, terms.symbol, terms.ex_date.isoformat(), terms.value, terms.currency]


def _action(about: list[str]) -> CorporateAction:
    kind, symbol, ex_date, value, currency = about
    return ActionTerms(
        kind=ActionKind(kind), symbol=symbol, ex_date=date.fromisoformat(ex_date), value=value, currency=currency
    ).action()
