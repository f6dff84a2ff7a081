"""The image repositories, one per service."""

import json
from dataclasses import dataclass

from troposphere import Output, Template, ecr

from cloudformation.resources.retention import when_removed, when_replaced

UNTAGGED_DAYS = 14


@dataclass(frozen=True, kw_only=True)
class Repositories:
    """Where each service's images are."""

    api: ecr.Repository
    processor: ecr.Repository
    gateway: ecr.Repository

    @property
    def all(self) -> tuple[ecr.Repository, ...]:
        """Every repository."""
        return (self.api, self.processor, self.gateway)


def add_repositories(template: Template, *, retain_data_on: str) -> Repositories:
    """Add a repository for each image, with tags that cannot be moved and a scan of what is pushed."""

    def add_repository(title: str, name: str) -> ecr.Repository:
        repository = template.add_resource(
            ecr.Repository(
                f"{title}Repository",
                # Under a key of ECR whatever CustomerKey says: another encryption is another, empty repository, and
                # images hold nothing of customers.
                EncryptionConfiguration=ecr.EncryptionConfiguration(EncryptionType="AES256"),
                # Images can be built again: they go with the stack unless its data is to be kept.
                EmptyOnDelete=True,
                DeletionPolicy=when_removed(retain_data_on),
                UpdateReplacePolicy=when_replaced(retain_data_on),
                ImageScanningConfiguration=ecr.ImageScanningConfiguration(ScanOnPush=True),
                ImageTagMutability="IMMUTABLE",
                LifecyclePolicy=ecr.LifecyclePolicy(LifecyclePolicyText=_cleaning()),
            )
        )
        template.add_output(
            Output(
                f"{title}RepositoryUri",
                Description=f"Repository that images of {name} are pushed to",
                Value=repository.get_att("RepositoryUri"),
            )
        )
        return repository

    return Repositories(
        api=add_repository("Api", "order-api"),
        processor=add_repository("Processor", "order-processor"),
        gateway=add_repository("Gateway", "payment-gateway"),
    )


def _cleaning() -> str:
    # Never a tagged one: ECR does not know which tags tasks run or a rollback would start.
    selection = {
        "tagStatus": "untagged",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": UNTAGGED_DAYS,
    }
    rule = {"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}
    return json.dumps({"rules": [rule]}, separators=(",", ":"))
