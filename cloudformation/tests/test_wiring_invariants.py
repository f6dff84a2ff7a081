"""What must hold between the parts of the template: endpoints, permissions, times, and the formula that scales."""

import ast
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cloudformation.delivery.artifact import PROJECT
from cloudformation.resources import services
from cloudformation.resources.security_groups import API_PORT, HTTP, HTTPS
from cloudformation.tests.called_actions import called_actions
from cloudformation.tests.template_reading import Document, container, of_kind, walk

STARTED_BY = {"ecr.api", "ecr.dkr", "logs", "s3", "secretsmanager"}
OPERATIONS = {"/metrics", "/livez", "/readyz"}


def test_without_a_way_out_there_is_an_endpoint_for_all_that_tasks_call(whole: Document) -> None:
    programs = (PROJECT / "services" / name / "src" for name in ("order-api", "order-processor"))
    sources = [*PROJECT.glob("libs/*/src"), *programs]
    called = {action.partition(":")[0] for action in called_actions(sources)}
    assert called >= {"dynamodb", "sns", "sqs"}
    endpoints = of_kind(whole, "AWS::EC2::VPCEndpoint")
    there = {
        endpoint["ServiceName"]["Fn::Sub"].removeprefix("com.amazonaws.${AWS::Region}.")
        for title, endpoint in endpoints.items()
        if endpoint["VpcEndpointType"] == "Gateway" or whole["Resources"][title]["Condition"] == "Isolated"
    }
    assert there >= called | STARTED_BY


def test_customers_reach_orders_and_nothing_of_operations(whole: Document) -> None:
    (rule,) = of_kind(whole, "AWS::ElasticLoadBalancingV2::ListenerRule").values()
    (condition,) = rule["Conditions"]
    assert not OPERATIONS & set(condition["PathPatternConfig"]["Values"])
    for listener in of_kind(whole, "AWS::ElasticLoadBalancingV2::Listener").values():
        assert not any("TargetGroupArn" in part for part in walk(listener) if isinstance(part, dict))
    (targets,) = of_kind(whole, "AWS::ElasticLoadBalancingV2::TargetGroup").values()
    assert targets["Port"] == API_PORT
    assert [mapping["ContainerPort"] for mapping in container(whole, "ApiTask")["PortMappings"]] == [API_PORT]
    open_to_all = [
        rule for rule in walk(whole["Resources"]) if isinstance(rule, dict) and rule.get("CidrIp") == "0.0.0.0/0"
    ]
    assert {rule["FromPort"] for rule in open_to_all} == {rule["ToPort"] for rule in open_to_all} == {HTTP, HTTPS}


def test_a_task_has_time_to_start_before_it_is_judged(whole: Document) -> None:
    for title, service in of_kind(whole, "AWS::ECS::Service").items():
        if "LoadBalancers" in service:
            assert service.get("HealthCheckGracePeriodSeconds", 0) >= 30, title
        else:
            check = container(whole, service["TaskDefinition"]["Ref"])["HealthCheck"]
            assert check["StartPeriod"] >= 30, title


def test_the_load_balancer_lets_a_leaving_task_finish_its_orders(whole: Document) -> None:
    (targets,) = of_kind(whole, "AWS::ElasticLoadBalancingV2::TargetGroup").values()
    attributes = {entry["Key"]: entry["Value"] for entry in targets["TargetGroupAttributes"]}
    delay = int(attributes["deregistration_delay.timeout_seconds"])
    longest_payment = whole["Parameters"]["PaymentTimeoutSeconds"]["MaxValue"]
    assert services.API_DRAIN_GRACE_SECONDS + longest_payment <= delay <= container(whole, "ApiTask")["StopTimeout"]


def test_what_starts_a_task_may_fetch_its_image_and_secrets_and_write_its_log(whole: Document) -> None:
    (policy,) = whole["Resources"]["ExecutionRole"]["Properties"]["Policies"]
    allowed = {
        (action, str(resource))
        for statement in policy["PolicyDocument"]["Statement"]
        for action in statement["Action"]
        for resource in (statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]])
    }
    for title, task in of_kind(whole, "AWS::ECS::TaskDefinition").items():
        assert task["ExecutionRoleArn"]["Fn::If"][1] == {"Fn::GetAtt": ["ExecutionRole", "Arn"]}
        only = container(whole, title)
        repository, _ = only["Image"]["Fn::Join"][1]
        needed = {("ecr:BatchGetImage", str({"Fn::GetAtt": [repository["Fn::GetAtt"][0], "Arn"]}))}
        group = only["LogConfiguration"]["Options"]["awslogs-group"]["Ref"]
        needed |= {("logs:PutLogEvents", str({"Fn::GetAtt": [group, "Arn"]}))}
        secrets = [secret["ValueFrom"] for secret in only.get("Secrets", [])]
        needed |= {("secretsmanager:GetSecretValue", str(secret)) for secret in secrets if "Ref" in secret}
        assert needed <= allowed, title


def test_the_function_says_which_messages_it_failed_and_may_send_what_it_fails_for_good(whole: Document) -> None:
    (mapping,) = of_kind(whole, "AWS::Lambda::EventSourceMapping").values()
    assert mapping.get("FunctionResponseTypes") == ["ReportBatchItemFailures"]
    (config,) = of_kind(whole, "AWS::Lambda::EventInvokeConfig").values()
    destination = config["DestinationConfig"]["OnFailure"]["Destination"]
    (policy,) = whole["Resources"]["FunctionRole"]["Properties"]["Policies"]
    sends = [s for s in policy["PolicyDocument"]["Statement"] if "sqs:SendMessage" in s.get("Action", [])]
    assert any(destination in statement["Resource"] for statement in sends)


@pytest.mark.parametrize("visible", [0, 1, 450])
def test_processors_are_added_by_how_long_the_backlog_waits(whole: Document, visible: int) -> None:
    policy = whole["Resources"]["ProcessorBacklogPolicy"]["Properties"]["TargetTrackingScalingPolicyConfiguration"]
    *measured, waiting = policy["CustomizedMetricSpecification"]["Metrics"]
    names = {query["Id"]: query["MetricStat"]["Metric"]["MetricName"] for query in measured}
    assert names == {"visible": "ApproximateNumberOfMessagesVisible", "running": "RunningTaskCount"}
    text, given = waiting["Expression"]["Fn::Sub"]
    assert given == {"Payment": {"Ref": "PaymentSeconds"}, "Workers": {"Ref": "Workers"}}
    values = {"visible": visible, "running": 3.0, "Payment": 2.0, "Workers": 5.0}
    assert math.isclose(worked_out(re.sub(r"\$\{(\w+)\}", r"\1", text), values), visible * 2 / (3 * 5))
    assert policy["TargetValue"] == {"Ref": "AcceptableWaitSeconds"}


def worked_out(formula: str, values: Mapping[str, float]) -> float:
    """What CloudWatch makes of an expression of products and quotients; FILL(x, 1) is x where there is one."""
    operations: dict[type, Callable[[float, float], float]] = {
        ast.Mult: lambda a, b: a * b,
        ast.Div: lambda a, b: a / b,
    }

    def value(node: Any) -> float:  # noqa: ANN401  # any part of an expression
        if isinstance(node, ast.BinOp):
            return operations[type(node.op)](value(node.left), value(node.right))
        return value(node.args[0]) if isinstance(node, ast.Call) else values[node.id]

    return value(ast.parse(formula, mode="eval").body)
