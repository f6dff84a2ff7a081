"""What must hold between a program and its surroundings: what a variable names, and what a role reaches."""

import pytest

from cloudformation.resources.security_groups import GATEWAY_PORT, PROCESSOR_PORT
from cloudformation.tests.template_reading import Document, container, named, of_kind
from order_api.settings import Settings as ApiSettings
from order_processor.settings import Settings as ProcessorSettings

OUTCOMES = {"Fn::If": ["OutcomeEventsOn", {"Ref": "OutcomesTopic"}, ""]}
# What a variable says, whoever reads it; what else there is has tests of its own.
MEANINGS = {
    "AWS_REGION": {"Ref": "AWS::Region"},
    "CAPACITY": {"Ref": "GatewayCapacity"},
    "DEAD_LETTER_QUEUE_URL": {"Ref": "DeadLetters"},
    "LATENCY_SECONDS": {"Ref": "PaymentSeconds"},
    "LEASE_SECONDS": {"Ref": "LeaseSeconds"},
    "MAX_RECEIVES": {"Ref": "MaxReceives"},
    "ORDERS_TABLE": {"Ref": "OrdersTable"},
    "ORDERS_TOPIC_ARN": {"Ref": "Topic"},
    "ORDER_RETENTION_DAYS": {"Ref": "OrderRetentionDays"},
    "OUTCOMES_TOPIC_ARN": OUTCOMES,
    "PAYMENT_TIMEOUT_SECONDS": {"Ref": "PaymentTimeoutSeconds"},
    "PRODUCTS_TABLE": {"Ref": "ProductsTable"},
    "QUEUE_URL": {"Ref": "Queue"},
    "STOCK_TABLE": {"Ref": "StockTable"},
    "VISIBILITY_SECONDS": {"Ref": "VisibilitySeconds"},
    "WORKERS": {"Ref": "Workers"},
}
ELSEWHERE = {"DRAIN_GRACE_SECONDS", "GATEWAY_URL", "RECONCILE_TIME_SECONDS", "SYNC_LIMIT"}
ROLES = {
    "ApiTask": "ApiRole", "ProcessorTask": "ProcessorRole", "ReconcilerTask": "ReconcilerRole",
    "Function": "FunctionRole",
}  # fmt: skip
SETTLING = {
    "GATEWAY_URL", "LEASE_SECONDS", "ORDERS_TABLE", "ORDER_RETENTION_DAYS", "OUTCOMES_TOPIC_ARN",
    "PAYMENT_TIMEOUT_SECONDS", "STOCK_TABLE",
}  # fmt: skip
CONSUMING = {"DEAD_LETTER_QUEUE_URL", "MAX_RECEIVES"}
# What Lambda does in the function's name, beside what the function itself is told of.
BY_LAMBDA = {"Function": {"FunctionFailures", "FunctionLogs", "Queue"}}
KINDS = {"dynamodb": "AWS::DynamoDB::Table", "sns": "AWS::SNS::Topic", "sqs": "AWS::SQS::Queue"}


def variables(template: Document, title: str) -> Document:
    if title == "Function":
        told: Document = template["Resources"][title]["Properties"]["Environment"]["Variables"]
        return told
    return {entry["Name"]: entry["Value"] for entry in container(template, title)["Environment"]}


def statements(template: Document, title: str) -> list[Document]:
    (policy,) = template["Resources"][ROLES[title]]["Properties"]["Policies"]
    written = policy["PolicyDocument"]["Statement"]
    return [each["Fn::If"][1] if "Fn::If" in each else each for each in written]


def test_a_variable_names_what_it_says(whole: Document) -> None:
    for title in (*of_kind(whole, "AWS::ECS::TaskDefinition"), "Function"):
        told = variables(whole, title)
        known = {name: value for name, value in told.items() if name not in ELSEWHERE}
        assert known == {name: MEANINGS[name] for name in known}, title


def test_a_program_is_told_all_that_it_needs(whole: Document) -> None:
    needed = {"ApiTask": SETTLING, "ReconcilerTask": SETTLING, "Function": SETTLING | CONSUMING}
    needed["ProcessorTask"] = SETTLING | CONSUMING | {"VISIBILITY_SECONDS", "WORKERS"}
    required = {
        title: {settings.variables({})[name] for name, field in settings.model_fields.items() if field.is_required()}
        for title, settings in (("ApiTask", ApiSettings), ("ProcessorTask", ProcessorSettings))
    }
    for title, names in needed.items():
        secrets = {} if title == "Function" else container(whole, title).get("Secrets", [])
        told = variables(whole, title).keys() | {secret["Name"] for secret in secrets}
        assert told >= names | required.get(title, set()), title


@pytest.mark.parametrize("title", sorted(ROLES))
def test_a_role_reaches_exactly_what_its_program_is_told_of(whole: Document, title: str) -> None:
    reached = named([statement["Resource"] for statement in statements(whole, title)])
    told = named(list(variables(whole, title).values())) & set(whole["Resources"])
    assert reached == told | BY_LAMBDA.get(title, set())


@pytest.mark.parametrize("title", sorted(ROLES))
def test_an_action_is_allowed_on_what_it_is_an_action_of(whole: Document, title: str) -> None:
    for statement in statements(whole, title):
        kinds = {KINDS[service] for a in statement["Action"] if (service := a.partition(":")[0]) in KINDS}
        if kinds:
            assert {whole["Resources"][each]["Type"] for each in named(statement["Resource"])} == kinds
        if "sqs:ReceiveMessage" in statement["Action"]:
            assert named(statement["Resource"]) == {"Queue"}


@pytest.mark.parametrize("title", sorted(ROLES))
def test_a_program_has_a_role_of_its_own(whole: Document, title: str) -> None:
    given = whole["Resources"][title]["Properties"].get("Role" if title == "Function" else "TaskRoleArn")
    assert given == {"Fn::If": ["MakesRoles", {"Fn::GetAtt": [ROLES[title], "Arn"]}, {"Ref": "RoleArn"}]}


def test_the_simulated_gateway_is_found_where_payments_go(whole: Document) -> None:
    resources = whole["Resources"]
    zone = resources["Namespace"]["Properties"]["Name"]["Fn::Sub"]
    where = f"http://{resources['GatewayDiscovery']['Properties']['Name']}.{zone}:{GATEWAY_PORT}"
    for title in ROLES:
        condition, simulated, external = variables(whole, title)["GATEWAY_URL"]["Fn::If"]
        assert (condition, simulated, external) == ("Simulated", {"Fn::Sub": where}, {"Ref": "GatewayUrl"}), title
    ports = {
        (rule["FromPort"], rule["ToPort"]) for rule in resources["GatewayGroup"]["Properties"]["SecurityGroupIngress"]
    }
    assert ports == {(GATEWAY_PORT, GATEWAY_PORT)}


@pytest.mark.parametrize("title", ["Api", "Gateway", "Processor"])
def test_a_service_runs_its_own_image_in_its_own_place(whole: Document, title: str) -> None:
    service = whole["Resources"][f"{title}Service"]["Properties"]
    (registry,) = service["ServiceRegistries"]
    assert registry["RegistryArn"] == {"Fn::GetAtt": [f"{title}Discovery", "Arn"]}
    assert service["TaskDefinition"] == {"Ref": f"{title}Task"}
    groups = service["NetworkConfiguration"]["AwsvpcConfiguration"]["SecurityGroups"]
    assert groups == [{"Ref": "ConsumerGroup" if title == "Processor" else f"{title}Group"}]
    only = container(whole, f"{title}Task")
    repository = {"Fn::GetAtt": [f"{title}Repository", "RepositoryUri"]}
    assert only["Image"] == {"Fn::Join": [":", [repository, {"Ref": "ImageTag"}]]}
    assert only["LogConfiguration"]["Options"]["awslogs-group"] == {"Ref": "ServiceLogs"}
    # Cloud Map answers with the tasks that there are: what has gone is forgotten within a minute.
    found_by = whole["Resources"][f"{title}Discovery"]["Properties"]
    assert found_by["Name"] == service["ServiceName"]
    (record,) = found_by["DnsConfig"]["DnsRecords"]
    assert record["Type"] == "A"
    assert int(record["TTL"]) <= 60


@pytest.mark.parametrize(("title", "port"), [("GatewayTask", GATEWAY_PORT), ("ProcessorTask", PROCESSOR_PORT)])
def test_ecs_asks_a_program_whether_it_lives_where_it_answers(whole: Document, title: str, port: int) -> None:
    *_, program = container(whole, title)["HealthCheck"]["Command"]
    assert f"http://127.0.0.1:{port}/livez" in program
