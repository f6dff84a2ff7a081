"""What must hold of the network: customers reach the load balancer alone, and tasks reach the outside."""

import ipaddress

import pytest

from cloudformation.tests.evaluation import Evaluation
from cloudformation.tests.template_reading import Document, of_kind

PUBLIC = {"PublicSubnet0", "PublicSubnet1"}
PRIVATE = {"PrivateSubnet0", "PrivateSubnet1"}
EVERYWHERE = "0.0.0.0/0"


def way_out(template: Document, subnet: str) -> Document:
    """The route that leads out of a subnet."""
    resources = template["Resources"].values()
    (table,) = (
        r["Properties"]["RouteTableId"]["Ref"]
        for r in resources
        if r["Type"] == "AWS::EC2::SubnetRouteTableAssociation" and r["Properties"]["SubnetId"] == {"Ref": subnet}
    )
    routes = [
        r["Properties"]
        for r in resources
        if r["Type"] == "AWS::EC2::Route"
        and r["Properties"]["RouteTableId"] == {"Ref": table}
        and r["Properties"]["DestinationCidrBlock"] == EVERYWHERE
    ]
    assert len(routes) == 1, f"{subnet} has {len(routes)} ways out"
    return dict(routes[0])


def test_customers_find_the_load_balancer_where_the_internet_does(whole: Document) -> None:
    (balancer,) = of_kind(whole, "AWS::ElasticLoadBalancingV2::LoadBalancer").values()
    assert balancer["Scheme"] == "internet-facing"
    assert {subnet["Ref"] for subnet in balancer["Subnets"]} == PUBLIC
    assert {way_out(whole, subnet)["GatewayId"]["Ref"] for subnet in PUBLIC} == {"InternetGateway"}


@pytest.mark.parametrize(("gateways", "nats"), [("1", {"NatGateway0"}), ("2", {"NatGateway0", "NatGateway1"})])
def test_tasks_get_out_by_a_nat_gateway_that_is_in_public(whole: Document, gateways: str, nats: set[str]) -> None:
    given = {name: str(parameter["Default"]) for name, parameter in whole["Parameters"].items()}
    chosen = {"Resources": Evaluation(template=whole, parameters=given | {"NatGateways": gateways}).resources()}
    assert {way_out(chosen, subnet)["NatGatewayId"]["Ref"] for subnet in PRIVATE} == nats
    for gateway in of_kind(chosen, "AWS::EC2::NatGateway").values():
        assert gateway["SubnetId"]["Ref"] in PUBLIC


def test_whoever_is_outside_reaches_the_load_balancer_and_nothing_else(whole: Document) -> None:
    (network,) = (ipaddress.IPv4Network(vpc["CidrBlock"]) for vpc in of_kind(whole, "AWS::EC2::VPC").values())
    for title, group in of_kind(whole, "AWS::EC2::SecurityGroup").items():
        for rule in group.get("SecurityGroupIngress", []):
            assert not set(rule) & {"CidrIpv6", "SourcePrefixListId"}, title
            assert rule["IpProtocol"] == "tcp", title
            is_inside = "CidrIp" not in rule or ipaddress.IPv4Network(rule["CidrIp"]).subnet_of(network)
            assert is_inside or title == "BalancerGroup", title


def test_all_that_a_security_group_lets_in_stands_in_it(whole: Document) -> None:
    """A rule beside it would be seen by none of these tests."""
    assert not [r for r in whole["Resources"].values() if r["Type"] == "AWS::EC2::SecurityGroupIngress"]
    assert whole["Resources"]["Balancer"]["Properties"]["SecurityGroups"] == [{"Ref": "BalancerGroup"}]


def test_a_zone_may_fail(whole: Document) -> None:
    subnets = of_kind(whole, "AWS::EC2::Subnet")
    for pair in (sorted(PUBLIC), sorted(PRIVATE)):
        zones = [subnets[title]["AvailabilityZone"]["Fn::Select"][0] for title in pair]
        assert zones == [0, 1], pair
    for title, subnet in subnets.items():
        assert subnet.get("MapPublicIpOnLaunch", False) is False, title


def test_an_endpoint_answers_under_the_services_own_name_in_both_zones(whole: Document) -> None:
    (vpc,) = of_kind(whole, "AWS::EC2::VPC").values()
    assert vpc["EnableDnsHostnames"] is True
    for title, endpoint in of_kind(whole, "AWS::EC2::VPCEndpoint").items():
        if endpoint["VpcEndpointType"] == "Gateway":
            assert {table["Ref"] for table in endpoint["RouteTableIds"]} == {"PrivateRoutes0", "PrivateRoutes1"}, title
        else:
            assert endpoint["PrivateDnsEnabled"] is True, title
            assert {subnet["Ref"] for subnet in endpoint["SubnetIds"]} == PRIVATE, title
            assert endpoint["SecurityGroupIds"] == [{"Ref": "EndpointGroup"}], title


def test_the_function_reaches_a_gateway_that_is_inside(whole: Document) -> None:
    condition, inside, outside = whole["Resources"]["Function"]["Properties"]["VpcConfig"]["Fn::If"]
    assert (condition, outside) == ("Simulated", {"Ref": "AWS::NoValue"})
    assert inside["SecurityGroupIds"] == [{"Ref": "ConsumerGroup"}]
    assert {subnet["Ref"] for subnet in inside["SubnetIds"]} == PRIVATE
