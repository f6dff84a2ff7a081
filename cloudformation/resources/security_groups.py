"""Security groups: only the load balancer reaches the API, only what pays reaches the gateway."""

from dataclasses import dataclass

from troposphere import Template, ec2

from cloudformation.resources.network import ANYWHERE, VPC_CIDR, Network

API_PORT = 8080
# Beside the other, so that one rule lets the load balancer to both; it asks for readiness there and leads nobody to it.
API_OPERATIONS_PORT = 8079
PROCESSOR_PORT = 8081
GATEWAY_PORT = 8090
HTTP, HTTPS = 80, 443


@dataclass(frozen=True, kw_only=True)
class SecurityGroups:
    """One security group per kind of thing in the VPC; the processor and the function are both consumers."""

    balancer: ec2.SecurityGroup
    api: ec2.SecurityGroup
    consumer: ec2.SecurityGroup
    gateway: ec2.SecurityGroup
    endpoints: ec2.SecurityGroup


def add_security_groups(template: Template, *, network: Network) -> SecurityGroups:
    """Add the groups."""

    def add_group(title: str, name: str, *ways_in: ec2.SecurityGroupRule) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(title, GroupDescription=name, VpcId=network.vpc.ref())
        if ways_in:
            group.SecurityGroupIngress = list(ways_in)
        return template.add_resource(group)

    balancer = add_group(
        "BalancerGroup", "Load balancer", *(_range("Customers", ANYWHERE, port) for port in (HTTP, HTTPS))
    )
    api = add_group("ApiGroup", "API", _from(balancer, API_OPERATIONS_PORT, to=API_PORT))
    consumer = add_group("ConsumerGroup", "Processor and function")
    gateway = add_group("GatewayGroup", "Payment gateway", *(_from(group, GATEWAY_PORT) for group in (api, consumer)))
    return SecurityGroups(
        balancer=balancer,
        api=api,
        consumer=consumer,
        gateway=gateway,
        endpoints=add_group("EndpointGroup", "VPC endpoints", _range("VPC", VPC_CIDR, HTTPS)),
    )


def _range(why: str, cidr: str, port: int) -> ec2.SecurityGroupRule:
    return ec2.SecurityGroupRule(Description=why, IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp=cidr)


def _from(group: ec2.SecurityGroup, port: int, *, to: int | None = None) -> ec2.SecurityGroupRule:
    return ec2.SecurityGroupRule(
        Description=group.GroupDescription,
        IpProtocol="tcp",
        FromPort=port,
        ToPort=to or port,
        SourceSecurityGroupId=group.ref(),
    )
