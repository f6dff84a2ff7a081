"""A plan as data, for programs: `python -m load plan --json`."""

from load.model.planner import Plan

Document = dict[str, object]


def plan_document(plan: Plan) -> Document:
    """`parameters` are the template's, by name and as text; costs are dollars, times seconds."""
    return {
        "parameters": {name: str(value) for name, value in plan.template.parameters},
        "workers_needed": plan.workers_needed,
        "tasks": plan.tasks,
        "api_tasks": plan.api_tasks,
        "peak_backlog": plan.peak_backlog,
        "last_wait": plan.last_wait,
        "drain": plan.drain,
        "limits": [
            {
                "name": limit.name,
                "needed": limit.needed,
                "available": limit.available,
                "orders_per_second": limit.rate(plan.sale.rate),
                "remedy": limit.remedy if limit.binds else None,
            }
            for limit in plan.limits
        ],
        "costs": {cost.arm: {"ordinary": float(cost.ordinary.total), "sale": float(cost.sale)} for cost in plan.costs},
        "notes": list(plan.template.notes),
    }
