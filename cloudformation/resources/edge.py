"""Where customers come in: the domain's certificate and alias, and the web ACL that bounds what one address may ask."""

from troposphere import GenericHelperFn, GetAtt, If, Ref, Sub, Template, certificatemanager, route53, wafv2
from troposphere import elasticloadbalancingv2 as elb

from cloudformation.parameters.edge import EdgeParameters


def add_certificate(template: Template, *, parameters: EdgeParameters) -> If:
    """Add the domain's certificate, proved by a record in its zone; returns the ARN of it, or of the given one."""
    certificate = template.add_resource(
        certificatemanager.Certificate(
            "Certificate",
            Condition=parameters.domain_on,
            DomainName=parameters.domain_name.ref(),
            ValidationMethod="DNS",
            DomainValidationOptions=[
                certificatemanager.DomainValidationOption(
                    DomainName=parameters.domain_name.ref(), HostedZoneId=parameters.hosted_zone.ref()
                )
            ],
        )
    )
    return If(parameters.domain_on, certificate.ref(), parameters.certificate_arn.ref())


def add_alias(template: Template, *, parameters: EdgeParameters, balancer: elb.LoadBalancer) -> Ref | GetAtt | If:
    """Add the domain's record; returns the host that customers use: the name in the certificate where there is one."""
    template.add_resource(
        route53.RecordSetType(
            "Alias",
            Condition=parameters.domain_on,
            Name=parameters.domain_name.ref(),
            Type="A",
            HostedZoneId=parameters.hosted_zone.ref(),
            # troposphere's class of this name has no types; a plain map passes its check.
            AliasTarget=GenericHelperFn(
                {"DNSName": balancer.get_att("DNSName"), "HostedZoneId": balancer.get_att("CanonicalHostedZoneID")}
            ),
        )
    )
    return If(parameters.domain_on, parameters.domain_name.ref(), balancer.get_att("DNSName"))


def add_web_acl(template: Template, *, parameters: EdgeParameters, balancer: elb.LoadBalancer) -> None:
    """Add the web ACL: an address that asks too often is refused until it asks less."""
    name = Sub("${AWS::StackName}-web-acl")

    def measured(metric: str) -> wafv2.VisibilityConfig:
        return wafv2.VisibilityConfig(CloudWatchMetricsEnabled=True, MetricName=metric, SampledRequestsEnabled=True)

    too_often = wafv2.WebACLRule(
        Name="RequestsPerAddress",
        Priority=0,
        Action=wafv2.RuleAction(Block=wafv2.BlockAction()),
        Statement=wafv2.Statement(
            RateBasedStatement=wafv2.RateBasedStatement(
                AggregateKeyType="IP", Limit=parameters.requests_per_address.ref()
            )
        ),
        VisibilityConfig=measured("RequestsPerAddress"),
    )
    acl = template.add_resource(
        wafv2.WebACL(
            "WebAcl",
            Condition=parameters.web_acl_on,
            Name=name,
            Scope="REGIONAL",
            DefaultAction=wafv2.DefaultAction(Allow=wafv2.AllowAction()),
            Rules=[too_often],
            VisibilityConfig=measured("WebAcl"),
        )
    )
    template.add_resource(
        wafv2.WebACLAssociation(
            "WebAclAssociation",
            Condition=parameters.web_acl_on,
            ResourceArn=balancer.ref(),
            WebACLArn=acl.get_att("Arn"),
        )
    )
