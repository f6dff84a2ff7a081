"""The load balancer in front of the API: HTTPS where there is a certificate, operations kept inside."""

from collections.abc import Sequence
from dataclasses import dataclass

from troposphere import If, Join, Output, Template
from troposphere import elasticloadbalancingv2 as elb

from cloudformation.parameters.edge import EdgeParameters
from cloudformation.parameters.pipeline import PipelineParameters
from cloudformation.resources.edge import add_alias, add_certificate, add_web_acl
from cloudformation.resources.network import Network
from cloudformation.resources.security_groups import API_OPERATIONS_PORT, API_PORT, HTTP, HTTPS, SecurityGroups

TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
DEREGISTRATION_SECONDS = 30
# The port behind knows none of these; the rule keeps it so should one of them come back, in its plain spelling.
INSIDE_ONLY = ("/metrics", "/livez", "/readyz")
# In its plain spelling: who writes it otherwise reaches what the API itself bounds by SYNC_LIMIT.
SYNC_ORDERS = ("/orders/sync", "/orders/sync/*")


@dataclass(frozen=True, kw_only=True)
class LoadBalancer:
    """The load balancer and the API's targets behind it."""

    balancer: elb.LoadBalancer
    targets: elb.TargetGroup
    # Made after the listener that leads to the targets, whichever of the two that is.
    attached: elb.ListenerRule


def add_load_balancer(
    template: Template,
    *,
    pipeline: PipelineParameters,
    edge: EdgeParameters,
    network: Network,
    security_groups: SecurityGroups,
) -> LoadBalancer:
    """Add load balancer, target group and listeners."""
    balancer = template.add_resource(
        elb.LoadBalancer(
            "Balancer",
            Scheme="internet-facing",
            SecurityGroups=[security_groups.balancer.ref()],
            Subnets=[subnet.ref() for subnet in network.public_subnets],
            LoadBalancerAttributes=_attributes(pipeline),
            # Without the way out first, the balancer cannot be made.
            DependsOn=network.way_out.title,
        )
    )
    targets = template.add_resource(
        elb.TargetGroup(
            "ApiTargets",
            VpcId=network.vpc.ref(),
            TargetType="ip",
            Protocol="HTTP",
            Port=API_PORT,
            HealthCheckPath="/readyz",
            HealthCheckPort=str(API_OPERATIONS_PORT),
            HealthCheckIntervalSeconds=10,
            HealthyThresholdCount=2,
            TargetGroupAttributes=[
                elb.TargetGroupAttribute(Key="deregistration_delay.timeout_seconds", Value=str(DEREGISTRATION_SECONDS)),
                elb.TargetGroupAttribute(Key="load_balancing.algorithm.type", Value="least_outstanding_requests"),
            ],
        )
    )
    http, https = _add_listeners(template, edge, balancer, targets)
    listener = If(edge.certificate_on, https.ref(), http.ref())
    inside_only = _refuse(template, "InsideOnly", listener, priority=1, paths=INSIDE_ONLY)
    _refuse(template, "AsyncOnly", listener, priority=2, paths=SYNC_ORDERS, condition=edge.sync_off)
    host = add_alias(template, parameters=edge, balancer=balancer)
    template.add_output(
        Output("ApiUrl", Description="URL that customers send orders to", Value=Join("://", [edge.scheme, host]))
    )
    add_web_acl(template, parameters=edge, balancer=balancer)
    return LoadBalancer(balancer=balancer, targets=targets, attached=inside_only)


def _refuse(
    template: Template,
    title: str,
    listener: If,
    *,
    priority: int,
    paths: Sequence[str],
    condition: str | None = None,
) -> elb.ListenerRule:
    rule = elb.ListenerRule(
        title,
        ListenerArn=listener,
        Priority=priority,
        Conditions=[elb.Condition(Field="path-pattern", PathPatternConfig=elb.PathPatternConfig(Values=list(paths)))],
        Actions=[
            elb.ListenerRuleAction(Type="fixed-response", FixedResponseConfig=elb.FixedResponseConfig(StatusCode="404"))
        ],
    )
    if condition is not None:
        rule.Condition = condition
    return template.add_resource(rule)


def _attributes(pipeline: PipelineParameters) -> list[elb.LoadBalancerAttributes]:
    attributes = {
        "deletion_protection.enabled": pipeline.deletion_protection.ref(),
        "routing.http.desync_mitigation_mode": "strictest",
        "routing.http.drop_invalid_header_fields.enabled": "true",
    }
    return [elb.LoadBalancerAttributes(Key=key, Value=value) for key, value in attributes.items()]


def _add_listeners(
    template: Template, edge: EdgeParameters, balancer: elb.LoadBalancer, targets: elb.TargetGroup
) -> tuple[elb.Listener, elb.Listener]:
    forward = elb.Action(Type="forward", TargetGroupArn=targets.ref())
    redirect = elb.Action(
        Type="redirect",
        RedirectConfig=elb.RedirectConfig(Protocol="HTTPS", Port=str(HTTPS), StatusCode="HTTP_301"),
    )
    http = template.add_resource(
        elb.Listener(
            "HttpListener",
            LoadBalancerArn=balancer.ref(),
            Port=HTTP,
            Protocol="HTTP",
            DefaultActions=[If(edge.certificate_on, redirect, forward)],
        )
    )
    https = template.add_resource(
        elb.Listener(
            "HttpsListener",
            Condition=edge.certificate_on,
            LoadBalancerArn=balancer.ref(),
            Port=HTTPS,
            Protocol="HTTPS",
            SslPolicy=TLS_POLICY,
            Certificates=[elb.Certificate(CertificateArn=add_certificate(template, parameters=edge))],
            DefaultActions=[forward],
        )
    )
    return http, https
