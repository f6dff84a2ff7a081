"""What must hold of the services in the template: their tasks, their network, the load balancer in front."""

import ipaddress
import re

import pytest

from cloudformation.resources import services
from cloudformation.resources.security_groups import API_OPERATIONS_PORT, API_PORT
from cloudformation.tests.dockerfile import image
from cloudformation.tests.template_reading import Document, container, of_kind
from order_api.settings import Settings as ApiSettings
from order_processor.settings import Settings as ProcessorSettings

API_ENVIRONMENT = {
    "ORDERS_TOPIC_ARN": "arn:aws:sns:eu-central-1:1:t",
    "ORDERS_TABLE": "o",
    "PRODUCTS_TABLE": "p",
    "ORDER_ID_SECRET": "x" * 64,
    "GATEWAY_URL": "http://gateway.test",
}
PROCESSOR_ENVIRONMENT = {
    "QUEUE_URL": "http://q.test/q",
    "DEAD_LETTER_QUEUE_URL": "http://q.test/d",
    "ORDERS_TABLE": "o",
    "GATEWAY_URL": "http://gateway.test",
}


def test_the_api_waits_for_the_listener_that_leads_to_it(whole: Document) -> None:
    waits_for = whole["Resources"][whole["Resources"]["ApiService"]["DependsOn"][0]]["Properties"]
    condition, https, http = waits_for["ListenerArn"]["Fn::If"]
    assert (condition, https, http) == ("HasCertificate", {"Ref": "HttpsListener"}, {"Ref": "HttpListener"})


def test_the_gateway_may_write_where_its_image_keeps_the_charge_store(whole: Document) -> None:
    (mount,) = container(whole, "GatewayTask")["MountPoints"]
    gateway = image("payment-gateway")
    assert gateway.instructions("VOLUME") == [mount["ContainerPath"]]
    assert gateway.variables["CHARGE_STORE_PATH"].startswith(f"{mount['ContainerPath']}/")


def test_a_task_is_stopped_only_after_it_could_drain(whole: Document) -> None:
    processor = ProcessorSettings.from_environment(PROCESSOR_ENVIRONMENT)
    longest = whole["Parameters"]["PaymentTimeoutSeconds"]["MaxValue"]
    assert container(whole, "ProcessorTask")["StopTimeout"] > processor.drain.total_seconds() > longest
    api = ApiSettings.from_environment(API_ENVIRONMENT | {"PAYMENT_TIMEOUT_SECONDS": str(longest)})
    drain = services.API_DRAIN_GRACE_SECONDS + api.shutdown_timeout.total_seconds()
    assert container(whole, "ApiTask")["StopTimeout"] > drain


def test_every_task_has_time_to_end_a_payment(whole: Document) -> None:
    longest = whole["Parameters"]["PaymentTimeoutSeconds"]["MaxValue"]
    for title in of_kind(whole, "AWS::ECS::TaskDefinition"):
        assert longest < container(whole, title)["StopTimeout"] <= 120, f"{title}: 120 s is Fargate's most"


def test_the_services_know_every_variable_they_are_given(whole: Document) -> None:
    for title, settings in (("ApiTask", ApiSettings), ("ProcessorTask", ProcessorSettings)):
        entries = container(whole, title)["Environment"] + container(whole, title).get("Secrets", [])
        given = {entry["Name"] for entry in entries} - {"AWS_REGION"}
        assert given <= set(settings.variables({}).values()), title


def test_order_ids_of_another_version_of_the_secret_are_recognised(whole: Document) -> None:
    given = {entry["Name"]: entry["ValueFrom"] for entry in container(whole, "ApiTask")["Secrets"]}
    assert given == {
        "ORDER_ID_SECRET": {"Ref": "OrderIdSecret"},
        "ORDER_ID_SECRET_PREVIOUS": {"Fn::Sub": "${OrderIdSecret}::${PreviousOrderIdSecret}:"},
    }
    # The one version that always exists: a task whose secret cannot be fetched does not start.
    assert whole["Parameters"]["PreviousOrderIdSecret"]["Default"] == "AWSCURRENT"


@pytest.mark.parametrize("title", ["ApiTask", "ProcessorTask", "GatewayTask", "ReconcilerTask"])
def test_a_log_that_takes_no_lines_does_not_hold_up_orders(whole: Document, title: str) -> None:
    options = container(whole, title)["LogConfiguration"]["Options"]
    assert (options["mode"], options["max-buffer-size"]) == ("non-blocking", "10m")


@pytest.mark.parametrize("title", ["ApiTask", "ProcessorTask", "GatewayTask", "ReconcilerTask"])
def test_containers_run_unprivileged_on_a_read_only_file_system(whole: Document, title: str) -> None:
    only = container(whole, title)
    assert only["ReadonlyRootFilesystem"] is True
    assert only["User"].split(":")[0] not in {"", "0", "root"}
    assert "Privileged" not in only


def test_no_task_has_a_public_address(whole: Document) -> None:
    private = {"PrivateSubnet0", "PrivateSubnet1"}
    for service in of_kind(whole, "AWS::ECS::Service").values():
        network = service["NetworkConfiguration"]["AwsvpcConfiguration"]
        assert network["AssignPublicIp"] == "DISABLED"
        assert {subnet["Ref"] for subnet in network["Subnets"]} == private


def test_there_is_an_address_for_every_task_and_interface_in_one_zone_alone(whole: Document) -> None:
    reserved_by_aws, interfaces = 5, 100
    processors = max(int(row["1"]) for row in whole["Mappings"]["ProcessorTasks"].values())
    # While a deployment replaces the API's tasks there are twice as many.
    tasks = 2 * max(map(int, whole["Parameters"]["MaximumApiTasks"]["AllowedValues"])) + processors + 1
    subnets = [
        ipaddress.ip_network(subnet["CidrBlock"])
        for title, subnet in of_kind(whole, "AWS::EC2::Subnet").items()
        if title.startswith("Private")
    ]
    assert min(subnet.num_addresses for subnet in subnets) - reserved_by_aws >= tasks + interfaces


def test_tables_and_load_balancer_can_be_protected_from_deletion(whole: Document) -> None:
    for table in of_kind(whole, "AWS::DynamoDB::Table").values():
        assert table["DeletionProtectionEnabled"] == {"Ref": "DeletionProtection"}
    (balancer,) = of_kind(whole, "AWS::ElasticLoadBalancingV2::LoadBalancer").values()
    protected = {"Key": "deletion_protection.enabled", "Value": {"Ref": "DeletionProtection"}}
    assert protected in balancer["LoadBalancerAttributes"]


def test_a_failed_deployment_rolls_back(whole: Document) -> None:
    for service in of_kind(whole, "AWS::ECS::Service").values():
        assert service["DeploymentConfiguration"]["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}


def test_nobody_gets_a_shell_in_a_task_and_every_task_is_on_the_bill_of_its_stack(whole: Document) -> None:
    for title, service in of_kind(whole, "AWS::ECS::Service").items():
        assert service.get("EnableExecuteCommand", False) is False, title
        assert service.get("PropagateTags") == "SERVICE", title


def test_only_the_load_balancer_reaches_the_api(whole: Document) -> None:
    groups = of_kind(whole, "AWS::EC2::SecurityGroup")
    (rule,) = groups["ApiGroup"]["SecurityGroupIngress"]
    assert rule["SourceSecurityGroupId"] == {"Ref": "BalancerGroup"}
    assert set(range(rule["FromPort"], rule["ToPort"] + 1)) == {API_PORT, API_OPERATIONS_PORT}
    assert "SecurityGroupIngress" not in groups["ConsumerGroup"]
    assert {rule["SourceSecurityGroupId"]["Ref"] for rule in groups["GatewayGroup"]["SecurityGroupIngress"]} == {
        "ApiGroup",
        "ConsumerGroup",
    }


def test_https_is_modern_and_http_leads_to_it(whole: Document) -> None:
    listeners = of_kind(whole, "AWS::ElasticLoadBalancingV2::Listener")
    assert re.match(r"ELBSecurityPolicy-TLS13-1-[23]", listeners["HttpsListener"]["SslPolicy"])
    (action,) = listeners["HttpListener"]["DefaultActions"]
    condition, redirect, _ = action["Fn::If"]
    assert (condition, redirect["RedirectConfig"]["Protocol"]) == ("HasCertificate", "HTTPS")
    assert redirect["RedirectConfig"]["Port"] == str(listeners["HttpsListener"]["Port"])


def test_the_load_balancer_refuses_ambiguous_requests(whole: Document) -> None:
    (balancer,) = of_kind(whole, "AWS::ElasticLoadBalancingV2::LoadBalancer").values()
    attributes = {entry["Key"]: entry["Value"] for entry in balancer["LoadBalancerAttributes"]}
    assert attributes["routing.http.desync_mitigation_mode"] == "strictest"
    assert attributes.get("routing.http.drop_invalid_header_fields.enabled") == "true"
    (targets,) = of_kind(whole, "AWS::ElasticLoadBalancingV2::TargetGroup").values()
    assert (targets["HealthCheckPath"], targets["HealthCheckPort"]) == ("/readyz", str(API_OPERATIONS_PORT))
    assert any(entry["Key"].startswith("deregistration_delay") for entry in targets["TargetGroupAttributes"])


def test_services_appear_only_with_an_image(whole: Document) -> None:
    for title in of_kind(whole, "AWS::ECS::Service"):
        assert whole["Resources"][title]["Condition"] in {"HasImages", "RunsProcessor", "RunsGateway"}
    for condition in ("RunsProcessor", "RunsGateway"):
        assert {"Condition": "HasImages"} in whole["Conditions"][condition]["Fn::And"]
    assert whole["Parameters"]["ImageTag"]["Default"] == ""
