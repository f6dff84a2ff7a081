"""The load balancer in front of the API: HTTPS where there is a certificate, operations kept inside."""

from dataclasses import dataclass

from troposphere import If, Join, Output, Template
from troposphere import elasticloadbalancingv2 as elb

from cloudformation.parameters.pipeline import PipelineParameters
from cloudformation.parameters.platform import PlatformParameters
from cloudformation.resources.network import Network
from cloudformation.resources.security_groups import API_OPERATIONS_PORT, API_PORT, HTTP, HTTPS, SecurityGroups

TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
DEREGISTRATION_SECONDS = 30
# The port behind knows none of these; the rule keeps it so should one of them come back, in its plain spelling.
INSIDE_ONLY = ("/metrics", "/livez", "/readyz")


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
    parameters: PlatformParameters,
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
    http, https = _add_listeners(template, parameters, balancer, targets)
    inside_only = template.add_resource(
        elb.ListenerRule(
            "InsideOnly",
            ListenerArn=If(parameters.certificate_on, https.ref(), http.ref()),
            Priority=1,
            Conditions=[
                elb.Condition(Field="path-pattern", PathPatternConfig=elb.PathPatternConfig(Values=list(INSIDE_ONLY)))
            ],
            Actions=[
                elb.ListenerRuleAction(
                    Type="fixed-response", FixedResponseConfig=elb.FixedResponseConfig(StatusCode="404")
                )
            ],
        )
    )
    scheme = If(parameters.certificate_on, "https", "http")
    template.add_output(
        Output(
            "ApiUrl",
            Description="URL that customers send orders to",
            Value=Join("://", [scheme, balancer.get_att("DNSName")]),
        )
    )
    return LoadBalancer(balancer=balancer, targets=targets, attached=inside_only)


def _attributes(pipeline: PipelineParameters) -> list[elb.LoadBalancerAttributes]:
    attributes = {
        "deletion_protection.enabled": pipeline.deletion_protection.ref(),
        "routing.http.desync_mitigation_mode": "strictest",
        "routing.http.drop_invalid_header_fields.enabled": "true",
    }
    return [elb.LoadBalancerAttributes(Key=key, Value=value) for key, value in attributes.items()]


def _add_listeners(
    template: Template, parameters: PlatformParameters, balancer: elb.LoadBalancer, targets: elb.TargetGroup
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
            DefaultActions=[If(parameters.certificate_on, redirect, forward)],
        )
    )
    https = template.add_resource(
        elb.Listener(
            "HttpsListener",
            Condition=parameters.certificate_on,
            LoadBalancerArn=balancer.ref(),
            Port=HTTPS,
            Protocol="HTTPS",
            SslPolicy=TLS_POLICY,
            Certificates=[elb.Certificate(CertificateArn=parameters.certificate_arn.ref())],
            DefaultActions=[forward],
        )
    )
    return http, https
