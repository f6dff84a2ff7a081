"""Policy documents: exact actions on exact resources."""

from collections.abc import Mapping

from troposphere import Template, iam

Statement = dict[str, object]


def allow(*actions: str, on: object, when: Mapping[str, object] | None = None) -> Statement:
    """One statement that allows `actions` on one resource or a list of them, under the condition `when`."""
    statement: Statement = {"Effect": "Allow", "Action": sorted(actions), "Resource": on}
    if when is not None:
        statement["Condition"] = dict(when)
    return statement


def policy(*statements: object) -> dict[str, object]:
    """A policy document of these statements (a statement may be an `If`)."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def add_role(
    template: Template, title: str, *, service: str, statements: list[object], condition: str | None = None
) -> iam.Role:
    """Add the role that one AWS service assumes for us, with one inline policy."""
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    role = iam.Role(
        title,
        AssumeRolePolicyDocument=policy(trust),
        Policies=[iam.Policy(PolicyName="exact", PolicyDocument=policy(*statements))],
    )
    if condition is not None:
        role.Condition = condition
    return template.add_resource(role)
