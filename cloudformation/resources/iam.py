"""Policy documents: exact actions on exact resources."""

from collections.abc import Mapping, Sequence

from troposphere import If, Template, iam

from cloudformation.parameters.pipeline import PipelineParameters

Statement = dict[str, object]


def allow(*actions: str, on: object, when: Mapping[str, object] | None = None) -> Statement:
    """One statement that allows `actions` on one resource or a list of them, under the condition `when`."""
    statement: Statement = {"Effect": "Allow", "Action": sorted(actions), "Resource": on}
    if when is not None:
        statement["Condition"] = dict(when)
    return statement


ORDERS_ACTIONS = ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem")
# A transaction is authorised as the writes in it.
STOCK_ACTIONS = (
    "dynamodb:BatchGetItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
)


# Actions whose API names no resource: the only ones allowed on everything.
WITHOUT_RESOURCE = {
    "ecr:GetAuthorizationToken": "the token is the account's, not a repository's",
    "ec2:AssignPrivateIpAddresses": "of interfaces that Lambda makes later",
    "ec2:CreateNetworkInterface": "Lambda makes the function's interfaces before they have a name",
    "ec2:DeleteNetworkInterface": "of interfaces that did not exist when the role was written",
    "ec2:DescribeNetworkInterfaces": "describing takes no resource",
    "ec2:DescribeSubnets": "describing takes no resource",
    "ec2:UnassignPrivateIpAddresses": "of interfaces that Lambda made",
}


def everywhere(*actions: str) -> Statement:
    """One statement that allows actions on everything; raises KeyError for one that can be told its resource."""
    for action in actions:
        WITHOUT_RESOURCE[action]
    return allow(*actions, on="*")


def policy(*statements: object) -> dict[str, object]:
    """A policy document of these statements (a statement may be an `If`)."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def add_role(
    template: Template,
    title: str,
    *,
    parameters: PipelineParameters,
    service: str,
    statements: Sequence[object],
    condition: str,
) -> If:
    """Add the role that one AWS service assumes for us, with one inline policy; returns its ARN, or RoleArn."""
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    role = template.add_resource(
        iam.Role(
            title,
            Condition=condition,
            AssumeRolePolicyDocument=policy(trust),
            Policies=[iam.Policy(PolicyName="exact", PolicyDocument=policy(*statements))],
        )
    )
    return If(parameters.own_roles_on, role.get_att("Arn"), parameters.role_arn.ref())
