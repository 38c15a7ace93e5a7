"""The risk page: a report as tables of text, for the shell and for the UI."""

import math
from collections.abc import Mapping, Sequence

from trading.risk.breaker_changes import BreakerChange, forbidden_text
from trading.risk.limit_uses import LimitUse
from trading.risk.report import RiskReport

Rows = Sequence[Mapping[str, str]]
_BLOCKS = 20


def use_bar(use: LimitUse) -> str:
    """Return the part that is used as a bar; 0.4 gives eight of twenty blocks and 40 %."""
    full = round(max(0.0, min(use.share, 1.0)) * _BLOCKS)
    told = f"{use.share:.0%}" if math.isfinite(use.share) else "beyond it"
    return "█" * full + "░" * (_BLOCKS - full) + f" {told}"


def risk_page(report: RiskReport, tripped: Sequence[BreakerChange]) -> dict[str, Rows]:
    """Return the tables by title.

    Args:
        tripped: breakers of the account that are tripped now.
    """
    worth = float(report.equity)

    def money(amount: float) -> str:
        return f"{amount:,.2f} {report.currency}"

    return {
        "Risk": [
            {
                "account": report.account,
                "session": str(report.session),
                "measured": f"{report.reported_at:%Y-%m-%d %H:%M} UTC",
                "equity": money(worth),
                "below its peak": "" if report.drawdown is None else f"{report.drawdown:.1%}",
                "beta": "" if report.beta is None else f"{report.beta:.2f} to {report.benchmark}",
            }
        ],
        "Limits in use": [
            {
                "limit": f"{u.name} {u.subject}".strip(),
                "use": use_bar(u),
                "is": f"{u.value:,.2f} {u.unit}",
                "at most": f"{u.limit:,.2f}",
            }
            for u in report.uses
        ],
        "Tripped breakers": [
            {
                "breaker": c.name,
                "since": f"{c.tripped_at:%Y-%m-%d %H:%M} UTC",
                "cause": c.cause,
                "forbidden": forbidden_text(c),
                "ends": c.how_it_ends(),
            }
            for c in tripped
        ],
        f"Loss of one session at {report.level:.1%}": [
            {
                "method": t.method.replace("_", " ").lower(),
                "value at risk": money(t.value_at_risk),
                "expected shortfall": money(t.expected_shortfall),
                "note": t.why,
            }
            for t in report.tails
        ],
        "Stress": [
            {"scenario": s.scenario, "loss": money(s.loss), "of equity": f"{s.loss / worth:.1%}"}
            for s in report.stresses
        ],
        "Largest contributors": [
            {"position": c.symbol, "held": money(c.value), "part of the shortfall": money(c.amount)}
            for c in report.contributors
        ],
        "Not measured": [{"symbol": symbol, "why": why} for symbol, why in report.unmeasured.items()],
    }


def as_markdown(page: Mapping[str, Rows]) -> str:
    """Return the tables as Markdown, empty ones left out."""
    return "\n\n".join(f"### {title}\n\n{_table(rows)}" for title, rows in page.items() if rows)


def _table(rows: Rows) -> str:
    lines = [tuple(rows[0]), ("---",) * len(rows[0]), *(tuple(row.values()) for row in rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
