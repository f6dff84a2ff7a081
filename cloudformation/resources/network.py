"""The VPC: two zones, public subnets for the load balancer, private ones for everything else."""

from collections.abc import Sequence
from dataclasses import dataclass

from troposphere import Equals, GetAZs, If, Not, Ref, Select, Template, ec2

from cloudformation.parameters.platform import PlatformParameters

VPC_CIDR = "10.0.0.0/16"
PUBLIC_CIDRS = ("10.0.1.0/24", "10.0.2.0/24")
# A task has an address of its own, and so has each of the function's interfaces: 4,091 in a zone.
PRIVATE_CIDRS = ("10.0.16.0/20", "10.0.32.0/20")
ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, kw_only=True)
class Network:
    """The VPC and its subnets, one per zone."""

    vpc: ec2.VPC
    public_subnets: tuple[ec2.Subnet, ...]
    private_subnets: tuple[ec2.Subnet, ...]
    private_routes: tuple[ec2.RouteTable, ...]
    way_out: ec2.Route
    isolated_on: str

    @property
    def private_subnet_refs(self) -> list[Ref]:
        """Where tasks run."""
        return [subnet.ref() for subnet in self.private_subnets]


def add_network(template: Template, *, parameters: PlatformParameters) -> Network:
    """Add VPC, subnets, routes and as many NAT gateways as asked for."""
    vpc = template.add_resource(ec2.VPC("Vpc", CidrBlock=VPC_CIDR, EnableDnsHostnames=True))
    public = tuple(_add_subnet(template, f"PublicSubnet{n}", vpc, n, cidr) for n, cidr in enumerate(PUBLIC_CIDRS))
    private = tuple(_add_subnet(template, f"PrivateSubnet{n}", vpc, n, cidr) for n, cidr in enumerate(PRIVATE_CIDRS))
    attachment, way_out = _add_public_routes(template, vpc, public)
    nats = parameters.nat_gateways.ref()
    has_nat = template.add_condition("HasNat0", Not(Equals(nats, "0")))
    has_second = template.add_condition("HasNat1", Equals(nats, "2"))
    first = _add_nat(template, 0, public[0], has_nat, attachment)
    second = _add_nat(template, 1, public[1], has_second, attachment)
    return Network(
        vpc=vpc,
        public_subnets=public,
        private_subnets=private,
        private_routes=(
            _add_private_route(template, 0, vpc, private[0], first.ref(), has_nat),
            _add_private_route(template, 1, vpc, private[1], If(has_second, second.ref(), first.ref()), has_nat),
        ),
        way_out=way_out,
        isolated_on=template.add_condition("Isolated", Equals(nats, "0")),
    )


def _add_subnet(template: Template, title: str, vpc: ec2.VPC, zone: int, cidr: str) -> ec2.Subnet:
    return template.add_resource(
        ec2.Subnet(title, VpcId=vpc.ref(), CidrBlock=cidr, AvailabilityZone=Select(zone, GetAZs()))
    )


def _add_public_routes(
    template: Template, vpc: ec2.VPC, subnets: Sequence[ec2.Subnet]
) -> tuple[ec2.VPCGatewayAttachment, ec2.Route]:
    gateway = template.add_resource(ec2.InternetGateway("InternetGateway"))
    attachment = template.add_resource(
        ec2.VPCGatewayAttachment("InternetAttachment", VpcId=vpc.ref(), InternetGatewayId=gateway.ref())
    )
    table = template.add_resource(ec2.RouteTable("PublicRoutes", VpcId=vpc.ref()))
    way_out = template.add_resource(
        ec2.Route(
            "PublicWayOut",
            RouteTableId=table.ref(),
            DestinationCidrBlock=ANYWHERE,
            GatewayId=gateway.ref(),
            DependsOn=attachment.title,
        )
    )
    for number, subnet in enumerate(subnets):
        _associate(template, f"PublicRoutes{number}", table, subnet)
    return attachment, way_out


def _add_nat(
    template: Template, number: int, subnet: ec2.Subnet, condition: str, attachment: ec2.VPCGatewayAttachment
) -> ec2.NatGateway:
    address = template.add_resource(
        ec2.EIP(f"NatAddress{number}", Condition=condition, Domain="vpc", DependsOn=attachment.title)
    )
    return template.add_resource(
        ec2.NatGateway(
            f"NatGateway{number}",
            Condition=condition,
            AllocationId=address.get_att("AllocationId"),
            SubnetId=subnet.ref(),
        )
    )


def _add_private_route(
    template: Template, number: int, vpc: ec2.VPC, subnet: ec2.Subnet, nat: object, condition: str
) -> ec2.RouteTable:
    table = template.add_resource(ec2.RouteTable(f"PrivateRoutes{number}", VpcId=vpc.ref()))
    template.add_resource(
        ec2.Route(
            f"PrivateWayOut{number}",
            Condition=condition,
            RouteTableId=table.ref(),
            DestinationCidrBlock=ANYWHERE,
            NatGatewayId=nat,
        )
    )
    _associate(template, f"PrivateAssociation{number}", table, subnet)
    return table


def _associate(template: Template, title: str, table: ec2.RouteTable, subnet: ec2.Subnet) -> None:
    template.add_resource(ec2.SubnetRouteTableAssociation(title, RouteTableId=table.ref(), SubnetId=subnet.ref()))
