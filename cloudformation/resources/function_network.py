"""Where the function runs when the gateway it calls is the simulated one, inside the VPC."""

from dataclasses import dataclass

from troposphere import Parameter, awslambda

from cloudformation.parameters.platform import PlatformParameters
from cloudformation.resources.iam import Statement, everywhere
from cloudformation.resources.network import Network
from cloudformation.resources.security_groups import SecurityGroups


@dataclass(frozen=True, kw_only=True)
class FunctionNetwork:
    """The function's place in the VPC, and what its role needs there; both under the condition `inside`."""

    inside: str
    chosen_by: Parameter
    config: awslambda.VPCConfig
    statement: Statement


def place_function(
    *, parameters: PlatformParameters, network: Network, security_groups: SecurityGroups
) -> FunctionNetwork:
    """Put the function into the private subnets for as long as the simulated gateway is what it calls."""
    return FunctionNetwork(
        inside=parameters.simulated_on,
        chosen_by=parameters.payment_gateway,
        config=awslambda.VPCConfig(
            SecurityGroupIds=[security_groups.consumer.ref()], SubnetIds=network.private_subnet_refs
        ),
        statement=everywhere(
            "ec2:AssignPrivateIpAddresses",
            "ec2:CreateNetworkInterface",
            "ec2:DeleteNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "ec2:UnassignPrivateIpAddresses",
        ),
    )
