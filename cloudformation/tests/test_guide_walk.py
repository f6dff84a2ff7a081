"""docs/deploy.md as a sequence: each command in its turn, dry, with the state that those before it leave."""

import re
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from cloudformation.delivery.steps import main
from cloudformation.tests.evaluation import Evaluation
from cloudformation.tests.guide import Words, blocks, commands, parts
from cloudformation.tests.template_reading import of_kind


@dataclass(kw_only=True)
class Account:
    """What is there after the commands so far."""

    template: dict[str, Any]
    parameters: dict[str, str] = field(default_factory=dict)
    built: set[str] = field(default_factory=set)
    pushed: set[str] = field(default_factory=set)
    products: bool = False
    orders: int = 0
    deleted: list[str] = field(default_factory=list)

    @property
    def resources(self) -> dict[str, Any]:
        """What the stack consists of."""
        return Evaluation(template=self.template, parameters=self.parameters).resources() if self.parameters else {}

    def make(self, step: str, arguments: Words) -> None:
        """Carry out one of our steps dry, and take over what it would do."""
        if step == "template":
            return
        assert main([step, "--dry-run", *arguments]) == 0, (step, arguments)
        tag = arguments[arguments.index("--tag") + 1] if "--tag" in arguments else ""
        if step in {"images", "push", "deploy", "destroy"}:
            carry_out: Callable[[str, Words], None] = getattr(self, f"_{step}")
            carry_out(tag, arguments)

    def _images(self, tag: str, _: Words) -> None:
        self.built.add(tag)

    def _push(self, tag: str, _: Words) -> None:
        assert self.parameters, "the repositories are the stack's"
        assert tag in self.built
        self.pushed.add(tag)

    def _deploy(self, tag: str, arguments: Words) -> None:
        assert not tag or tag in self.pushed, "ECS waits for an image that is not there until it gives up"
        before = self.parameters or {n: str(p["Default"]) for n, p in self.template["Parameters"].items()}
        given = dict(word.split("=", 1) for word in arguments if re.match(r"\w+=", word))
        assert set(given) <= set(before)
        if (before | given)["Consumer"] != "ecs":
            given |= {"ArtifactBucket": "made", "ArtifactKey": "lambda.zip"}
        self.parameters = before | given | ({"ImageTag": tag} if tag else {})
        refused = Evaluation(template=self.template, parameters=self.parameters).refusals()
        assert not refused, (arguments, refused)

    def _destroy(self, _: str, __: Words) -> None:
        assert self.parameters.get("DeletionProtection") == "false"
        self.deleted.append("flash")
        self.parameters = {}

    def order(self) -> None:
        assert self.products, "an order for a product that is not in the catalogue gets 422"
        assert "ApiService" in self.resources
        assert self.resources.keys() & {"ProcessorService", "FunctionQueueMapping"}
        self.orders += 1


@pytest.fixture
def account(whole: dict[str, Any]) -> Account:
    return Account(template=whole)


def walk_through(part: str, account: Account) -> None:
    for words in commands(part):
        if words[0] == "make":
            named = [word.removeprefix("ARGS=") for word in words[2:]]
            account.make(words[1], shlex.split(named[0]) if named else [])
        elif words[:3] == ["aws", "dynamodb", "put-item"]:
            assert "ProductsTable" in account.resources
            account.products = True
        elif words[0] == "curl":
            account.order()


def test_the_guide_goes_from_an_empty_account_to_an_order_and_back(account: Account) -> None:
    walk_through(parts()[0], account)
    assert account.orders == 1
    assert account.deleted == ["flash"]


def test_what_else_the_guide_does_works_on_a_stack_that_runs(account: Account) -> None:
    account.built, account.pushed = {"v1"}, {"v1"}
    account.make("deploy", ["--stack", "flash", "--tag", "v1"])
    walk_through(parts()[1], account)
    # The stack is taken down on the way, and the last page deploys another one.
    assert account.deleted == ["flash"]
    assert "OrdersTable" in account.resources


@pytest.mark.parametrize("block", blocks(), ids=lambda block: block.split("\n")[0][:40])
def test_a_shell_understands_every_block(block: str) -> None:
    checked = subprocess.run(["sh", "-n"], input=block, capture_output=True, text=True, check=False)  # noqa: S607  # any shell
    assert (checked.returncode, checked.stderr) == (0, "")


def test_every_output_and_resource_that_a_command_asks_for_is_there(whole: dict[str, Any]) -> None:
    text = "\n".join(blocks())
    asked = set(re.findall(r"\$\(stack (\w+)\)", text))
    assert asked
    assert asked <= set(whole["Outputs"])
    named = set(re.findall(r"--logical-resource-id (\w+)", text))
    assert named
    assert named <= set(whole["Resources"])
    services = set(re.findall(r"--service ([a-z-]+) --force", text))
    assert services <= {service["ServiceName"] for service in of_kind(whole, "AWS::ECS::Service").values()}
