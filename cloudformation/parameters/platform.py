"""The parameters of the whole stack beyond the pipeline's: network, tasks, scaling, alarms, budget."""

from dataclasses import dataclass

from troposphere import Equals, Not, Parameter, Template

from cloudformation.parameters.capacity import Capacity, add_capacity
from cloudformation.parameters.kinds import add_choice, add_flag, add_number, add_switch, add_text

TASK_SIZES = {"small": ("256", "512"), "medium": ("512", "1024"), "large": ("1024", "2048"), "xlarge": ("2048", "4096")}
EMAIL = "[^@ ]+@[^@ ]+[.][^@ ]+"


@dataclass(frozen=True, kw_only=True)
class PlatformParameters:
    """What the whole stack asks for besides; the names of conditions end in `_on`."""

    image_tag: Parameter
    images_on: str
    arm_on: str
    payment_gateway: Parameter
    simulated_on: str
    capacity: Capacity
    payment_seconds: Parameter
    acceptable_wait_seconds: Parameter
    pre_scale_on: str
    minimum_api_tasks: Parameter
    previous_order_id_secret: Parameter
    api_size: Parameter
    processor_size: Parameter
    spot_weight: Parameter
    nat_gateways: Parameter
    alarm_email: Parameter
    alarm_email_on: str
    monthly_budget: Parameter
    budget_on: str


def add_platform_parameters(template: Template, *, architecture: Parameter) -> PlatformParameters:
    """Add the parameters and the conditions and maps that only depend on them."""
    image_tag = add_text(
        template,
        "ImageTag",
        pattern="[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}",
        why="Tag of the images to run; empty for no services yet",
        otherwise="must be an image tag",
    )
    payment_gateway = add_choice(
        template,
        "PaymentGateway",
        ("simulated", "external"),
        Description="Run the simulated payment provider in the VPC, or call the external one at GatewayUrl",
    )
    alarm_email = add_text(
        template,
        "AlarmEmail",
        pattern=EMAIL,
        why="E-mail address that is told of alarms and budget, after it has confirmed",
        otherwise="must be an e-mail address",
    )
    monthly_budget = add_number(
        template,
        "MonthlyBudgetDollars",
        default=0,
        low=0,
        high=1_000_000,
        why="Monthly cost in dollars whose forecast is mailed to AlarmEmail; 0 for no budget",
    )
    template.add_mapping("TaskSize", _task_sizes())
    return PlatformParameters(
        image_tag=image_tag,
        arm_on=template.add_condition("OnArm", Equals(architecture.ref(), "arm64")),
        images_on=_given(template, "HasImages", image_tag),
        payment_gateway=payment_gateway,
        simulated_on=template.add_condition("Simulated", Equals(payment_gateway.ref(), "simulated")),
        capacity=add_capacity(template),
        payment_seconds=add_number(
            template,
            "PaymentSeconds",
            default=3,
            low=1,
            high=14,
            why="What one payment usually takes, in seconds; the simulated provider takes exactly that",
        ),
        acceptable_wait_seconds=add_number(
            template,
            "AcceptableWaitSeconds",
            default=60,
            low=10,
            high=3600,
            why="How long an order may wait, in seconds, before processor tasks are added and an alarm rings",
        ),
        pre_scale_on=add_switch(
            template,
            add_flag(
                template,
                "PreScale",
                default=False,
                why="Keep as many processor tasks running as the provider can feed, from before a sale until after it",
            ),
        ),
        minimum_api_tasks=add_number(
            template, "MinimumApiTasks", default=2, low=1, high=10, why="Fewest API tasks, also when nobody orders"
        ),
        previous_order_id_secret=add_choice(
            template,
            "PreviousOrderIdSecret",
            ("AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"),
            Description="Version of the order-id secret whose ids are recognised besides those of the current one",
        ),
        api_size=add_choice(
            template,
            "ApiSize",
            tuple(TASK_SIZES),
            Description="CPU and memory of an API task; each size is twice the last",
        ),
        processor_size=add_choice(
            template,
            "ProcessorSize",
            tuple(TASK_SIZES),
            Description="CPU and memory of a processor task; each size is twice the last",
        ),
        spot_weight=add_number(
            template,
            "SpotPerOnDemand",
            default=0,
            low=0,
            high=10,
            why="Fargate Spot processors for each on-demand one beyond the first",
        ),
        nat_gateways=add_choice(
            template,
            "NatGateways",
            (1, 0, 2),
            Description="Ways out of the VPC; 0 for VPC endpoints of what the tasks call and no other way out",
        ),
        alarm_email=alarm_email,
        alarm_email_on=_given(template, "HasAlarmEmail", alarm_email),
        monthly_budget=monthly_budget,
        budget_on=template.add_condition("HasBudget", Not(Equals(monthly_budget.ref(), "0"))),
    )


def _given(template: Template, name: str, parameter: Parameter) -> str:
    return template.add_condition(name, Not(Equals(parameter.ref(), "")))


def _task_sizes() -> dict[str, dict[str, str]]:
    return {size: {"Cpu": cpu, "Memory": memory} for size, (cpu, memory) in TASK_SIZES.items()}
