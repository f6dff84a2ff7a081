"""How another version of the function takes over: a tenth of the orders first, and back when an alarm rings."""

from collections.abc import Sequence

from troposphere import Equals, GetAtt, If, NoValue, Sub, Template, cloudwatch, codedeploy

from cloudformation.parameters.kinds import add_choice, both
from cloudformation.parameters.pipeline import PipelineParameters
from cloudformation.resources.function import Function
from cloudformation.resources.iam import add_role, allow

# Longer than the alarms need to ring: five minutes of errors, and what CloudWatch takes to see them.
CANARY = "CodeDeployDefault.LambdaCanary10Percent10Minutes"
AT_ONCE = "CodeDeployDefault.LambdaAllAtOnce"
ROLE = "FunctionRolloutRole"


def add_canary(
    template: Template, *, pipeline: PipelineParameters, function: Function, alarms: Sequence[cloudwatch.Alarm]
) -> None:
    """Let CodeDeploy move the alias to another version; without roles of ours CloudFormation moves it at once."""
    rollout = add_choice(
        template,
        "FunctionRollout",
        ("canary", "at-once"),
        Description="Another version of the function gets a tenth of the orders for ten minutes, or all at once",
    )
    canary_on = template.add_condition("FunctionCanary", Equals(rollout.ref(), "canary"))
    on = both(template, "MovesFunctionAlias", function.on, pipeline.own_roles_on)
    _add_rollout_role(template, pipeline=pipeline, function=function, alarms=alarms, on=on)
    group = _add_group(template, alarms=alarms, on=on, canary_on=canary_on)
    function.alias.resource["UpdatePolicy"] = If(
        on,
        {"CodeDeployLambdaAliasUpdate": {"ApplicationName": group.ApplicationName, "DeploymentGroupName": group.ref()}},
        NoValue,
    )


def _add_rollout_role(
    template: Template,
    *,
    pipeline: PipelineParameters,
    function: Function,
    alarms: Sequence[cloudwatch.Alarm],
    on: str,
) -> None:
    add_role(
        template,
        ROLE,
        parameters=pipeline,
        service="codedeploy.amazonaws.com",
        statements=[
            allow(
                "lambda:GetAlias",
                "lambda:GetProvisionedConcurrencyConfig",
                "lambda:UpdateAlias",
                on=[function.function.get_att("Arn"), Sub(f"${{{function.function.title}.Arn}}:*")],
            ),
            allow("cloudwatch:DescribeAlarms", on=[alarm.get_att("Arn") for alarm in alarms]),
        ],
        condition=on,
    )


def _add_group(
    template: Template, *, alarms: Sequence[cloudwatch.Alarm], on: str, canary_on: str
) -> codedeploy.DeploymentGroup:
    application = template.add_resource(
        codedeploy.Application("FunctionRolloutApplication", Condition=on, ComputePlatform="Lambda")
    )
    return template.add_resource(
        codedeploy.DeploymentGroup(
            "FunctionRolloutGroup",
            Condition=on,
            ApplicationName=application.ref(),
            # There only where the roles are ours.
            ServiceRoleArn=GetAtt(ROLE, "Arn"),
            DeploymentConfigName=If(canary_on, CANARY, AT_ONCE),
            DeploymentStyle=codedeploy.DeploymentStyle(
                DeploymentType="BLUE_GREEN", DeploymentOption="WITH_TRAFFIC_CONTROL"
            ),
            AutoRollbackConfiguration=codedeploy.AutoRollbackConfiguration(
                Enabled=True, Events=["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"]
            ),
            AlarmConfiguration=codedeploy.AlarmConfiguration(
                # An alarm that rings already would stop the very version that ends it: that one goes at once.
                Enabled=If(canary_on, "true", "false"),
                Alarms=[codedeploy.Alarm(Name=alarm.ref()) for alarm in alarms],
            ),
        )
    )
