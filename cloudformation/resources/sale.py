"""What is ready before a sale and let go after it: the load balancer's capacity, and tables that are warm."""

from troposphere import If, NoValue, Sub, Template, dynamodb, scheduler
from troposphere import elasticloadbalancingv2 as elb

from cloudformation.parameters.kinds import both
from cloudformation.parameters.pipeline import PipelineParameters
from cloudformation.parameters.sale import WARM_READS, WARM_WRITES, SaleParameters
from cloudformation.resources.iam import add_role, allow
from cloudformation.resources.tables import Tables


def reserve_balancer(
    template: Template, *, sale: SaleParameters, pipeline: PipelineParameters, balancer: elb.LoadBalancer
) -> None:
    """Reserve capacity from the deployment on, for it may take hours to be had, and let it go at the sale's end."""
    balancer.MinimumLoadBalancerCapacity = If(
        sale.sale_on, elb.MinimumLoadBalancerCapacity(CapacityUnits=sale.balancer_units), NoValue
    )
    role = add_role(
        template,
        "SaleEndRole",
        parameters=pipeline,
        service="scheduler.amazonaws.com",
        statements=[allow("elasticloadbalancing:ModifyCapacityReservation", on=balancer.ref())],
        condition=both(template, "MakesSaleEndRole", sale.sale_on, pipeline.own_roles_on),
    )
    template.add_resource(
        scheduler.Schedule(
            "SaleEndSchedule",
            Condition=sale.sale_on,
            Description="Ends the load balancer's reservation, which costs by the hour",
            ScheduleExpression=Sub(f"at(${{{sale.end.title}}})"),
            FlexibleTimeWindow=scheduler.FlexibleTimeWindow(Mode="OFF"),
            Target=scheduler.Target(
                Arn=Sub("arn:${AWS::Partition}:scheduler:::aws-sdk:elasticloadbalancingv2:modifyCapacityReservation"),
                RoleArn=role,
                Input=Sub(f'{{"LoadBalancerArn": "${{{balancer.title}}}", "ResetCapacityReservation": true}}'),
            ),
        )
    )


def warm_orders(tables: Tables, *, sale: SaleParameters) -> None:
    """Make the orders table ready for a sale that is larger than what every table is ready for."""
    warm = If(
        sale.warm_on,
        dynamodb.WarmThroughput(ReadUnitsPerSecond=WARM_READS, WriteUnitsPerSecond=WARM_WRITES),
        NoValue,
    )
    tables.orders.WarmThroughput = warm
    for index in tables.orders.GlobalSecondaryIndexes:
        index.WarmThroughput = warm
