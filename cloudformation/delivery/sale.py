"""What CloudFormation cannot tell of a sale: whether it begins before it ends, and whether it is not over yet."""

from collections.abc import Mapping
from datetime import UTC, datetime


def sale_findings(parameters: Mapping[str, str], *, now: datetime) -> list[str]:
    """Sentences about the times of the sale among these parameters; none when there is no sale."""
    start, end = (parameters.get(name, "") for name in ("SaleStart", "SaleEnd"))
    if not start or not end:
        return []
    try:
        begins, ends = (datetime.fromisoformat(moment).replace(tzinfo=UTC) for moment in (start, end))
    except ValueError as error:
        return [f"SaleStart and SaleEnd must be times of UTC like 2027-11-26T08:50:00 ({error})."]
    if ends <= begins:
        return [f"SaleEnd {end} is not after SaleStart {start}."]
    if ends <= now:
        return [f"The sale ended at {end}, and AWS may refuse what is past: SaleStart= SaleEnd= takes it out."]
    if begins <= now:
        return [f"SaleStart {start} is past: give one that is to come, or deploy after the sale."]
    return []
