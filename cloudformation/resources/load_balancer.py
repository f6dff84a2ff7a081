"""The load balancer in front of the API: HTTPS where there is a certificate, operations kept inside."""

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
# All that customers reach, in five values, the most of a rule. What else the API may know one day stays inside.
PUBLIC_PATHS = ("/orders/*", "/products", "/products/*", "/health", "/openapi.json")


@dataclass(frozen=True, kw_only=True)
class LoadBalancer:
    """The load balancer and the API's targets behind it."""

    balancer: elb.LoadBalancer
    targets: elb.TargetGroup
    # What leads customers to the targets.
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
    balancer = _add_balancer(template, pipeline, network, security_groups)
    targets = _add_targets(template, network)
    host = add_alias(template, parameters=edge, balancer=balancer)
    template.add_output(
        Output("ApiUrl", Description="URL that customers send orders to", Value=Join("://", [edge.scheme, host]))
    )
    add_web_acl(template, parameters=edge, balancer=balancer)
    return LoadBalancer(
        balancer=balancer,
        targets=targets,
        attached=_let_in(template, listener=_add_listeners(template, edge, balancer), targets=targets),
    )


def _add_balancer(
    template: Template, pipeline: PipelineParameters, network: Network, security_groups: SecurityGroups
) -> elb.LoadBalancer:
    return template.add_resource(
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


def _add_targets(template: Template, network: Network) -> elb.TargetGroup:
    return template.add_resource(
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


def _let_in(template: Template, *, listener: If, targets: elb.TargetGroup) -> elb.ListenerRule:
    """Add the one rule that leads to the API: the listener itself refuses whatever is not in its list."""
    return template.add_resource(
        elb.ListenerRule(
            "PublicPaths",
            ListenerArn=listener,
            Priority=1,
            Conditions=[
                elb.Condition(Field="path-pattern", PathPatternConfig=elb.PathPatternConfig(Values=list(PUBLIC_PATHS)))
            ],
            Actions=[elb.ListenerRuleAction(Type="forward", TargetGroupArn=targets.ref())],
        )
    )


def _attributes(pipeline: PipelineParameters) -> list[elb.LoadBalancerAttributes]:
    attributes = {
        "deletion_protection.enabled": pipeline.deletion_protection.ref(),
        "routing.http.desync_mitigation_mode": "strictest",
        "routing.http.drop_invalid_header_fields.enabled": "true",
    }
    return [elb.LoadBalancerAttributes(Key=key, Value=value) for key, value in attributes.items()]


def _add_listeners(template: Template, edge: EdgeParameters, balancer: elb.LoadBalancer) -> If:
    """Add both listeners; returns the one that customers use in the end."""
    refuse = elb.Action(Type="fixed-response", FixedResponseConfig=elb.FixedResponseConfig(StatusCode="404"))
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
            DefaultActions=[If(edge.certificate_on, redirect, refuse)],
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
            DefaultActions=[refuse],
        )
    )
    return If(edge.certificate_on, https.ref(), http.ref())
