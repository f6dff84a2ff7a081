"""The deployment guide says what the template and the price list say."""

import tomllib
from typing import Any

from cloudformation.delivery.artifact import PROJECT
from cloudformation.resources.reconciliation import EVERY_MINUTES
from cloudformation.tests.guide import GUIDE
from cloudformation.tests.template_reading import of_kind

HOURS = 730
ZONES = 2
# As the guide says: of a cluster and four tasks, which no template tells.
CONTAINER_INSIGHTS_METRICS = 30


def test_the_deployment_guide_names_every_parameter_and_output(whole: dict[str, Any]) -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    missing = [name for name in (*whole["Parameters"], *whole["Outputs"]) if f"`{name}`" not in guide]
    assert missing == []


def test_the_guides_prices_and_its_monthly_sum_are_those_of_the_price_list(whole: dict[str, Any]) -> None:
    prices = tomllib.loads(PROJECT.joinpath("load", "model", "prices.toml").read_text(encoding="utf-8"))
    guide = GUIDE.read_text(encoding="utf-8")

    def price(group: str, name: str) -> float:
        return float(prices[group][name]["price"])

    arm, x86 = (
        HOURS * (price("fargate", f"{cpu}_vcpu_hour") / 4 + price("fargate", f"{cpu}_gb_hour") / 2)
        for cpu in ("arm", "x86")
    )
    address = HOURS * price("vpc", "public_ipv4_hour")
    invocations = [
        price("lambda", "million_requests") + 1.5e6 * price("lambda", f"{c}_gb_second") for c in ("arm", "x86")
    ]
    balancer, nat = HOURS * price("alb", "hour"), HOURS * price("vpc", "nat_hour") + address
    endpoints = [e for e in of_kind(whole, "AWS::EC2::VPCEndpoint").values() if e["VpcEndpointType"] == "Interface"]
    alarms = list(of_kind(whole, "AWS::CloudWatch::Alarm").values())
    watched = sum(len(alarm["Metrics"]) - 1 if "Metrics" in alarm else 1 for alarm in alarms)
    made = {
        t["MetricName"] for f in of_kind(whole, "AWS::Logs::MetricFilter").values() for t in f["MetricTransformations"]
    }
    assert f"{len(alarms)} alarms on {watched} metrics" in guide
    monitoring = watched * price("cloudwatch", "alarm_metric_month") + len(made) * price("cloudwatch", "metric_month")
    insights = CONTAINER_INSIGHTS_METRICS * price("cloudwatch", "metric_month")
    names = price("secretsmanager", "secret_month") + price("route53", "zone_month")
    reconciler = arm / EVERY_MINUTES  # about a minute each time
    idle = 4 * arm + balancer + 2 * address + nat + insights + monitoring + names + reconciler
    assert f"An hour costs about ${idle / HOURS:.2f} (${idle:.2f} a month)" in guide
    assert f"at ${idle - 4 * arm:.0f} a month" in guide
    outcomes = 3 * price("dynamodb", "million_writes") + price("sns", "million_requests")
    for figure in (
        arm, x86, 4 * arm, balancer, 2 * address, balancer + 2 * address, nat, 2 * nat,
        ZONES * len(endpoints) * HOURS * price("vpc", "endpoint_hour"), insights, monitoring, names, reconciler, idle,
        price("sns", "million_requests"), 4 * price("dynamodb", "million_writes"), *invocations,
        3 * price("dynamodb", "million_writes"), outcomes,
        *(price("dynamodb", f"{kind}_gb_month") for kind in ("storage", "recovery")), price("ecr", "gb_month"),
        price("logs", "gb"), price("vpc", "out_gb"), price("kms", "ten_thousand_requests"),
    ):  # fmt: skip
        assert f"${figure:.2f}" in guide, figure
