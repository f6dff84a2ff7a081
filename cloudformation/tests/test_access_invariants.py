"""What must hold of who may do what: roles, secrets, images, and the names of things in any partition."""

from cloudformation.tests.template_reading import Document, of_kind, walk

# Letters and digits for 256 bits, as many as the hash has that certifies with it.
SECRET_LENGTH = 43


def test_a_role_is_taken_by_one_service_of_aws(whole: Document) -> None:
    for title, role in of_kind(whole, "AWS::IAM::Role").items():
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert set(statement["Principal"]) == {"Service"}, title
        assert str(statement["Principal"]["Service"]).endswith(".amazonaws.com"), title


def test_the_topic_alone_calls_the_function(either: Document) -> None:
    for title, permission in of_kind(either, "AWS::Lambda::Permission").items():
        assert permission["Principal"] == "sns.amazonaws.com", title
        assert permission.get("SourceArn") == {"Ref": "Topic"}, title


def test_no_name_is_of_one_partition_alone(either: Document) -> None:
    """China and GovCloud call their resources otherwise."""
    texts = [text for text in walk(either["Resources"]) if isinstance(text, str)]
    assert texts
    assert [text for text in texts if "arn:aws" in text] == []


def test_the_secret_of_order_ids_cannot_be_guessed(whole: Document) -> None:
    (secret,) = of_kind(whole, "AWS::SecretsManager::Secret").values()
    assert secret["GenerateSecretString"]["PasswordLength"] >= SECRET_LENGTH


def test_an_image_is_scanned_and_its_tag_never_means_another(whole: Document) -> None:
    for title, repository in of_kind(whole, "AWS::ECR::Repository").items():
        assert repository["ImageTagMutability"] == "IMMUTABLE", title
        assert repository.get("ImageScanningConfiguration") == {"ScanOnPush": True}, title
