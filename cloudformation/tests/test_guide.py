"""The deployment guide says what the template and the price list say."""

import tomllib
from typing import Any

from cloudformation.delivery.artifact import PROJECT

GUIDE = PROJECT / "docs" / "deploy.md"


def test_the_deployment_guide_names_every_parameter_and_output(whole: dict[str, Any]) -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    missing = [name for name in (*whole["Parameters"], *whole["Outputs"]) if f"`{name}`" not in guide]
    assert missing == []


def test_the_guides_prices_are_the_planners() -> None:
    prices = tomllib.loads(PROJECT.joinpath("load", "model", "prices.toml").read_text(encoding="utf-8"))
    guide = GUIDE.read_text(encoding="utf-8")

    def price(group: str, name: str) -> float:
        return float(prices[group][name]["price"])

    hours = 730
    arm, x86 = (
        hours * (price("fargate", f"{cpu}_vcpu_hour") / 4 + price("fargate", f"{cpu}_gb_hour") / 2)
        for cpu in ("arm", "x86")
    )
    address = hours * price("vpc", "public_ipv4_hour")
    invocations = [
        price("lambda", "million_requests") + 1.5e6 * price("lambda", f"{c}_gb_second") for c in ("arm", "x86")
    ]
    for figure in (
        arm, x86, 4 * arm, hours * price("alb", "hour"), 2 * address, hours * price("vpc", "nat_hour") + address,
        price("sns", "million_requests"), 4 * price("dynamodb", "million_writes"), *invocations,
    ):  # fmt: skip
        assert f"${figure:.2f}" in guide
