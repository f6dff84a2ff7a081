"""A running stack's state and logs, by commands that the runbooks name."""

import json
import re
from pathlib import Path

import pytest

from cloudformation.delivery.artifact import PROJECT
from cloudformation.delivery.operations import FUNCTION, SERVICES
from cloudformation.delivery.steps import main
from cloudformation.tests.template_reading import Document, of_kind
from order_processor.dlq.command_line import parse

OUTPUTS = {
    "ClusterName": "c", "DiscoveryNamespace": "flash.internal",
    "ServiceLogsName": "services", "FunctionName": "f", "DeadLetterQueueArn": "arn:dead",
    "QueueUrl": "q", "DeadLetterQueueUrl": "d", "SubscriptionDeadLetterQueueUrl": "u", "FunctionFailureQueueUrl": "ff",
}  # fmt: skip


@pytest.fixture
def running(calls: Path) -> Path:
    """The calls of a fake `aws` that knows a running stack."""
    know(calls, OUTPUTS)
    return calls


def know(calls: Path, outputs: dict[str, str]) -> None:
    pairs = [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()]
    calls.with_name("stacks").write_text(json.dumps([{"StackName": "flash-sale", "Outputs": pairs}]))


def test_status_asks_for_services_queues_and_alarms_that_ring(running: Path) -> None:
    assert main(["status"]) == 0
    called = running.read_text()
    assert "ecs describe-services --cluster c --services order-api order-processor payment-gateway" in called
    assert re.findall(r"--queue-url (\w+)", called) == ["q", "d", "u", "ff"]
    assert "describe-alarms --alarm-name-prefix flash-sale- --state-value ALARM" in called


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "services --since 15m --follow --format short"),
        (["--service", "order-api"], "services --log-stream-name-prefix order-api/ --since 15m"),
        (["--service", "function"], "/aws/lambda/f --since 15m"),
        (["--filter", "5xx"], "--format short --filter-pattern 5xx"),
    ],
)
def test_logs_are_followed_of_all_or_of_one(running: Path, arguments: list[str], words: str) -> None:
    assert main(["logs", *arguments]) == 0
    assert words in running.read_text()


def test_a_function_that_is_not_there_is_said_to_be_so(running: Path, capsys: pytest.CaptureFixture[str]) -> None:
    know(running, {name: value for name, value in OUTPUTS.items() if name != "FunctionName"})
    assert main(["logs", "--service", FUNCTION]) == 1
    assert "has no function" in capsys.readouterr().err


def test_prometheus_is_told_of_every_task(running: Path, capsys: pytest.CaptureFixture[str]) -> None:
    addresses = [f"10.0.16.{number}" for number in range(1, 21)]
    answer = f"""case "$*" in *"service-name order-api"*) echo '{json.dumps(addresses)}'; exit ;; esac"""
    fake = running.with_name("aws")
    fake.write_text(fake.read_text().replace("#!/bin/sh\n", f"#!/bin/sh\n{answer}\n"))
    assert main(["targets"]) == 0
    api, processor, _ = json.loads(capsys.readouterr().out)
    assert api == {"labels": {"job": "order-api"}, "targets": [f"{address}:8079" for address in sorted(addresses)]}
    assert processor == {"labels": {"job": "order-processor"}, "targets": []}
    assert "--namespace-name flash.internal --service-name order-processor --max-results 1000" in running.read_text()


@pytest.mark.parametrize("step", ["status", "logs", "push"])
def test_a_stack_that_is_not_there_is_said_to_be_so(calls: Path, capsys: pytest.CaptureFixture[str], step: str) -> None:
    calls.with_name("stacks").write_text("[]")
    assert main([step, "--tag", "v1"]) == 1
    assert "there is no stack flash-sale" in capsys.readouterr().err


def test_services_have_the_names_and_log_prefixes_of_the_template(whole: Document) -> None:
    assert {service["ServiceName"] for service in of_kind(whole, "AWS::ECS::Service").values()} == set(SERVICES)
    assert set(OUTPUTS) <= set(whole["Outputs"])


def test_every_runbook_names_a_command_of_ours(whole: Document) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), flags=re.MULTILINE))
    for title, alarm in of_kind(whole, "AWS::CloudWatch::Alarm").items():
        _, _, runbook = alarm["AlarmDescription"].partition("Runbook: ")
        named = re.findall(r"make ([a-z-]+)", runbook)
        assert named, title
        assert set(named) <= targets, title
        for arguments in re.findall(r"make dlq ARGS='([^']*)'", runbook):
            parse(arguments.split())  # exits with status 2 for what it does not know
        for arguments in re.findall(r"make logs ARGS='([^']*)'", runbook):
            assert main(["logs", "--dry-run", *arguments.split()]) == 0
