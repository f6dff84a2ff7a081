"""The parameters of where customers come in: domain, certificate, limits."""

from dataclasses import dataclass

from troposphere import Equals, If, Not, Or, Parameter, Template

from cloudformation.parameters.kinds import add_text


@dataclass(frozen=True, kw_only=True)
class EdgeParameters:
    """What the stack asks for about its edge; the names of conditions end in `_on`."""

    certificate_arn: Parameter
    certificate_on: str
    domain_name: Parameter
    hosted_zone: Parameter
    domain_on: str
    requests_per_address: Parameter
    web_acl_on: str

    @property
    def scheme(self) -> If:
        """`https` where there is a certificate."""
        return If(self.certificate_on, "https", "http")


def add_edge_parameters(template: Template) -> EdgeParameters:
    """Add the parameters and the conditions that only depend on them."""
    certificate_arn, domain_name, hosted_zone = _add_names(template)
    requests = add_text(
        template,
        "RequestsPerAddress",
        default="0",
        pattern="0|[1-9][0-9]{1,6}",
        why="Requests that one address may make in five minutes, by a web ACL; 0 for no limit",
        # WAF takes no less.
        otherwise="must be 0, or 10 to 9999999",
    )
    no_domain = Equals(domain_name.ref(), "")
    return EdgeParameters(
        certificate_arn=certificate_arn,
        certificate_on=template.add_condition(
            "HasCertificate", Or(Not(Equals(certificate_arn.ref(), "")), Not(no_domain))
        ),
        domain_name=domain_name,
        hosted_zone=hosted_zone,
        domain_on=template.add_condition("HasDomain", Not(no_domain)),
        requests_per_address=requests,
        web_acl_on=template.add_condition("HasWebAcl", Not(Equals(requests.ref(), "0"))),
    )


def _add_names(template: Template) -> tuple[Parameter, Parameter, Parameter]:
    certificate_arn = add_text(
        template,
        "CertificateArn",
        pattern="arn:aws[a-z-]*:acm:.+",
        why="ARN of an ACM certificate: HTTPS, and HTTP redirects to it; empty for plain HTTP, or with DomainName",
        otherwise="must be the ARN of an ACM certificate",
    )
    domain_name = add_text(
        template,
        "DomainName",
        pattern="([a-z0-9-]{1,63}[.])+[a-z]{2,63}",
        why="Name that customers use, in HostedZoneId: its certificate and its alias of the load balancer are made",
        otherwise="must be a domain name",
    )
    hosted_zone = add_text(
        template,
        "HostedZoneId",
        pattern="Z[A-Z0-9]{1,31}",
        why="Public hosted zone of Route 53 that DomainName is in",
        otherwise="must be the id of a hosted zone",
    )
    return certificate_arn, domain_name, hosted_zone
