"""What must hold of who may do what: roles, secrets, images, and the names of things in any partition."""

import re

from cloudformation.delivery.preflight import plan
from cloudformation.tests.evaluation import Evaluation
from cloudformation.tests.template_reading import Document, of_kind, walk

# Letters and digits for 256 bits, as many as the hash has that certifies with it.
SECRET_LENGTH = 43
# Each lets in whom no role of ours knows.
OPENING_KINDS = {
    "AWS::Lambda::LayerVersionPermission",
    "AWS::Lambda::Url",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicInlinePolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueueInlinePolicy",
    "AWS::SecretsManager::ResourcePolicy",
}


def test_a_role_is_taken_by_one_service_of_aws(whole: Document) -> None:
    for title, role in of_kind(whole, "AWS::IAM::Role").items():
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert set(statement["Principal"]) == {"Service"}, title
        assert str(statement["Principal"]["Service"]).endswith(".amazonaws.com"), title


def test_a_ready_role_is_asked_for_all_services_that_would_take_roles_of_ours(whole: Document) -> None:
    defaults = {name: str(parameter["Default"]) for name, parameter in whole["Parameters"].items()}
    given = defaults | {"ImageTag": "v1", "ArtifactBucket": "abc", "ArtifactKey": "a.zip", "Consumer": "lambda"}
    made = Evaluation(template=whole, parameters=given).resources()
    roles = [r["Properties"] for r in made.values() if r["Type"] == "AWS::IAM::Role"]
    takers = {role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"] for role in roles}
    # Without roles of ours nobody moves the alias bit by bit.
    assert takers - {"codedeploy.amazonaws.com"} == plan(given | {"RoleArn": "a/b"}).assumed_by


def test_a_role_allows_what_its_one_policy_says_and_nothing_else(whole: Document) -> None:
    for title, role in of_kind(whole, "AWS::IAM::Role").items():
        assert set(role) == {"AssumeRolePolicyDocument", "Policies"}, title
        (policy,) = role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]:
            written = statement["Fn::If"][1] if "Fn::If" in statement else statement
            assert written["Effect"] == "Allow", title
            assert set(written) - {"Condition"} == {"Action", "Effect", "Resource"}, title


def test_the_schedule_of_a_sales_end_may_only_end_the_reservation(whole: Document) -> None:
    (policy,) = whole["Resources"]["SaleEndRole"]["Properties"]["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == ["elasticloadbalancing:ModifyCapacityReservation"]
    assert statement["Resource"] == {"Ref": "Balancer"}


def test_nobody_outside_the_account_is_allowed_anything(whole: Document) -> None:
    """Queue and key have policies of their own; a topic, a function's URL or a bucket of it would open another door."""
    kinds = {resource["Type"] for resource in whole["Resources"].values()}
    assert not kinds & OPENING_KINDS
    assert len(of_kind(whole, "AWS::SQS::QueuePolicy")) == 1
    anybody = [part for part in walk(whole["Resources"]) if isinstance(part, dict) and is_of_anybody(part)]
    assert anybody
    for statement in anybody:
        assert statement["Condition"]["StringEquals"] == {"kms:CallerAccount": {"Ref": "AWS::AccountId"}}


def is_of_anybody(statement: Document) -> bool:
    return statement.get("Effect") == "Allow" and statement.get("Principal") in ("*", {"AWS": "*"})


def test_the_customer_key_changes_every_year_and_the_account_rules_it(whole: Document) -> None:
    key = whole["Resources"]["Key"]["Properties"]
    assert key["EnableKeyRotation"] is True
    owner = {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
    rulers = [s["Principal"] for s in key["KeyPolicy"]["Statement"] if s["Action"] == ["kms:*"]]
    assert rulers == [owner], "without it nobody could ever change or delete the key"


def test_the_topic_alone_calls_the_function(either: Document) -> None:
    for title, permission in of_kind(either, "AWS::Lambda::Permission").items():
        assert permission["Principal"] == "sns.amazonaws.com", title
        assert permission.get("SourceArn") == {"Ref": "Topic"}, title


def test_no_name_is_of_one_partition_alone(either: Document) -> None:
    """China and GovCloud call their resources otherwise."""
    texts = [text for text in walk(either["Resources"]) if isinstance(text, str)]
    assert texts
    assert [text for text in texts if "arn:aws" in text] == []


def test_a_payment_leaves_the_network_encrypted(whole: Document) -> None:
    pattern = whole["Parameters"]["GatewayUrl"]["AllowedPattern"]
    assert re.fullmatch(pattern, "https://pay.example/v1")
    assert not re.fullmatch(pattern, "http://pay.example/v1")


def test_the_secret_of_order_ids_cannot_be_guessed(whole: Document) -> None:
    (secret,) = of_kind(whole, "AWS::SecretsManager::Secret").values()
    assert secret["GenerateSecretString"]["PasswordLength"] >= SECRET_LENGTH


def test_an_image_is_scanned_and_its_tag_never_means_another(whole: Document) -> None:
    for title, repository in of_kind(whole, "AWS::ECR::Repository").items():
        assert repository["ImageTagMutability"] == "IMMUTABLE", title
        assert repository.get("ImageScanningConfiguration") == {"ScanOnPush": True}, title
