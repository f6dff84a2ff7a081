"""What starts the tasks: the role that fetches images and secret, and the log they all write to."""

from dataclasses import dataclass

from troposphere import If, Output, Template, logs, secretsmanager

from cloudformation.parameters.pipeline import PipelineParameters
from cloudformation.resources.encryption import Encryption
from cloudformation.resources.iam import Statement, add_role, allow, everywhere
from cloudformation.resources.repositories import Repositories
from cloudformation.resources.retention import when_removed, when_replaced

TASKS_PRINCIPAL = "ecs-tasks.amazonaws.com"
SECRET_LENGTH = 64


@dataclass(frozen=True, kw_only=True)
class Execution:
    """The agent's role, the services' log group (one stream prefix each), and the order id secret."""

    role: If
    log_group: logs.LogGroup
    order_id_secret: secretsmanager.Secret


def add_execution(
    template: Template, *, pipeline: PipelineParameters, encryption: Encryption, repositories: Repositories
) -> Execution:
    """Add secret, log group and the one role that the ECS agent uses for every service."""
    secret = template.add_resource(
        secretsmanager.Secret(
            "OrderIdSecret",
            Description="Certifies the order ids that the API issues",
            GenerateSecretString=secretsmanager.GenerateSecretString(
                PasswordLength=SECRET_LENGTH, ExcludePunctuation=True
            ),
            KmsKeyId=encryption.key_arn,
            DeletionPolicy=when_removed(pipeline.retain_data_on),
            UpdateReplacePolicy=when_replaced(pipeline.retain_data_on),
        )
    )
    log_group = template.add_resource(
        logs.LogGroup("ServiceLogs", RetentionInDays=pipeline.log_retention_days.ref(), KmsKeyId=encryption.key_arn)
    )
    template.add_output(
        Output("ServiceLogsName", Description="Log group that all services write to", Value=log_group.ref())
    )
    role = add_role(
        template,
        "ExecutionRole",
        parameters=pipeline,
        service=TASKS_PRINCIPAL,
        statements=_statements(repositories, log_group, secret),
        condition=pipeline.own_roles_on,
    )
    return Execution(role=role, log_group=log_group, order_id_secret=secret)


def _statements(repositories: Repositories, log_group: logs.LogGroup, secret: secretsmanager.Secret) -> list[Statement]:
    return [
        everywhere("ecr:GetAuthorizationToken"),
        allow(
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
            on=[repository.get_att("Arn") for repository in repositories.all],
        ),
        allow("logs:CreateLogStream", "logs:PutLogEvents", on=log_group.get_att("Arn")),
        allow("secretsmanager:GetSecretValue", on=secret.ref()),
    ]
