"""The image repositories, one per service."""

import json
from dataclasses import dataclass

from troposphere import If, NoValue, Output, Template, ecr

from cloudformation.resources.encryption import Encryption

KEPT_IMAGES = 20


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


def add_repositories(template: Template, *, encryption: Encryption, retain_data_on: str) -> Repositories:
    """Add a repository for each image, with tags that cannot be moved and a scan of what is pushed."""
    expire = {
        "rulePriority": 1,
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": KEPT_IMAGES},
        "action": {"type": "expire"},
    }
    cleaning = json.dumps({"rules": [expire]}, separators=(",", ":"))

    def add_repository(title: str, name: str) -> ecr.Repository:
        repository = template.add_resource(
            ecr.Repository(
                f"{title}Repository",
                # Images can be built again: they go with the stack unless its data is to be kept.
                EmptyOnDelete=If(retain_data_on, "false", "true"),
                EncryptionConfiguration=If(
                    encryption.customer_key_on,
                    ecr.EncryptionConfiguration(EncryptionType="KMS", KmsKey=encryption.customer_key.get_att("Arn")),
                    NoValue,
                ),
                ImageScanningConfiguration=ecr.ImageScanningConfiguration(ScanOnPush=True),
                ImageTagMutability="IMMUTABLE",
                LifecyclePolicy=ecr.LifecyclePolicy(LifecyclePolicyText=cleaning),
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
