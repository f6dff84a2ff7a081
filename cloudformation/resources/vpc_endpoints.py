"""VPC endpoints: DynamoDB and S3 always, for they are free; without a NAT gateway the rest of what tasks call."""

from troposphere import Sub, Template, ec2

from cloudformation.resources.network import Network
from cloudformation.resources.security_groups import SecurityGroups

# What a task calls, by itself or to be started. Each costs by the hour and zone.
INTERFACES = ("ecr.api", "ecr.dkr", "logs", "secretsmanager", "sns", "sqs")
GATEWAYS = ("dynamodb", "s3")


def add_vpc_endpoints(template: Template, *, network: Network, security_groups: SecurityGroups) -> None:
    """Add the endpoints."""
    for service in GATEWAYS:
        template.add_resource(
            ec2.VPCEndpoint(
                f"{service.capitalize()}Endpoint",
                VpcEndpointType="Gateway",
                VpcId=network.vpc.ref(),
                ServiceName=_service(service),
                RouteTableIds=[table.ref() for table in network.private_routes],
            )
        )
    for service in INTERFACES:
        template.add_resource(
            ec2.VPCEndpoint(
                "".join(part.capitalize() for part in service.split(".")) + "Endpoint",
                Condition=network.isolated_on,
                VpcEndpointType="Interface",
                VpcId=network.vpc.ref(),
                ServiceName=_service(service),
                PrivateDnsEnabled=True,
                SubnetIds=network.private_subnet_refs,
                SecurityGroupIds=[security_groups.endpoints.ref()],
            )
        )


def _service(name: str) -> Sub:
    return Sub(f"com.amazonaws.${{AWS::Region}}.{name}")
