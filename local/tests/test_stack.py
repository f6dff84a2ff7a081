import json

import pytest

from local.emulator import RunningEmulator
from local.stack import StackFailedError, delete_stack, deploy_stack

TEMPLATE = {
    "AWSTemplateFormatVersion": "2010-09-09",
    "Parameters": {"Wait": {"Type": "String"}},
    "Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": {"Ref": "Wait"}}}},
    "Outputs": {"Name": {"Value": {"Fn::GetAtt": ["Queue", "QueueName"]}}},
}

pytestmark = pytest.mark.embedded_aws


async def test_a_stack_is_deployed_with_its_outputs_and_deleted(embedded_aws: RunningEmulator) -> None:
    outputs = await deploy_stack(
        embedded_aws.environment, name="stack-test", template=json.dumps(TEMPLATE), parameters={"Wait": "7"}
    )
    assert outputs["Name"]
    await delete_stack(embedded_aws.environment, name="stack-test")
    again = await deploy_stack(
        embedded_aws.environment, name="stack-test", template=json.dumps(TEMPLATE), parameters={"Wait": "8"}
    )
    assert again["Name"]
    await delete_stack(embedded_aws.environment, name="stack-test")


async def test_a_stack_that_cannot_be_made_says_why(embedded_aws: RunningEmulator) -> None:
    broken = json.dumps(TEMPLATE | {"Resources": {"Odd": {"Type": "AWS::No::Such"}}})
    with pytest.raises(StackFailedError, match="stack broken-test"):
        await deploy_stack(embedded_aws.environment, name="broken-test", template=broken, parameters={"Wait": "7"})
