"""From this tree to a running stack and back: `python -m cloudformation.delivery images|push|deploy|destroy`.

Every step takes `--dry-run`, which prints the commands it would run and touches nothing.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cloudformation.delivery.archive import ArtifactError
from cloudformation.delivery.artifact import PROJECT, TARGETS, build_artifact
from cloudformation.delivery.commands import Command, CommandFailedError, carry_out, command, output_of

# The stack's output that says where the images of a service go.
REPOSITORIES = {
    "order-api": "ApiRepositoryUri",
    "order-processor": "ProcessorRepositoryUri",
    "payment-gateway": "GatewayRepositoryUri",
}
PLATFORMS = {"arm64": "linux/arm64", "x86_64": "linux/amd64"}


def image_commands(*, tag: str, architecture: str) -> list[Command]:
    """Build every image for that CPU and keep it in the local engine."""
    return [
        command(
            "docker", "buildx", "build", "--platform", PLATFORMS[architecture], "--load",
            "--file", f"services/{service}/Dockerfile", "--tag", f"{service}:{tag}", ".",
        )
        for service in REPOSITORIES
    ]  # fmt: skip


def push_commands(*, tag: str, outputs: Mapping[str, str]) -> list[Command]:
    """Log in to the stack's registry, then tag and push every image; raises KeyError for a stack without them."""
    registry = outputs["ApiRepositoryUri"].partition("/")[0]
    password = command("aws", "ecr", "get-login-password")
    login = command("docker", "login", "--username", "AWS", "--password-stdin", registry, fed_by=password)
    pushes = []
    for service, output in REPOSITORIES.items():
        target = f"{outputs[output]}:{tag}"
        pushes += [command("docker", "tag", f"{service}:{tag}", target), command("docker", "push", target)]
    return [login, *pushes]


def deploy_commands(
    *, stack: str, parameters: Mapping[str, str], s3_bucket: str, artifact: Path | None
) -> list[Command]:
    """Upload the function's zip where one is needed, then create or update the stack.

    The template goes through `s3_bucket`; empty for the one that `cloudformation/deploy` makes.
    """
    upload = []
    if artifact is not None:
        bucket = parameters["ArtifactBucket"]
        upload = [command("aws", "s3", "cp", str(artifact), f"s3://{bucket}/{artifact.name}")]
    overrides = [f"{name}={value}" for name, value in sorted(parameters.items())]
    deploy = command(
        "cloudformation/deploy", "--stack-name", stack, *(["--s3-bucket", s3_bucket] if s3_bucket else []),
        "--parameter-overrides", *overrides,
        fed_by=command(sys.executable, "-m", "cloudformation.build"),
    )  # fmt: skip
    show = command(
        "aws", "cloudformation", "describe-stacks", "--stack-name", stack,
        "--query", "Stacks[0].Outputs[].[OutputKey,OutputValue]", "--output", "table",
    )  # fmt: skip
    return [*upload, deploy, show]


def destroy_commands(*, stack: str) -> list[Command]:
    """Delete the stack and wait until it is gone; what RetainData keeps stays."""
    return [
        command("aws", "cloudformation", "delete-stack", "--stack-name", stack),
        command("aws", "cloudformation", "wait", "stack-delete-complete", "--stack-name", stack),
    ]


def _images(options: argparse.Namespace) -> list[Command]:
    return image_commands(tag=options.tag or _revision(), architecture=options.architecture)


def _push(options: argparse.Namespace) -> list[Command]:
    outputs = {output: f"<{output}>" for output in REPOSITORIES.values()}
    if not options.dry_run:
        asked = command(
            "aws", "cloudformation", "describe-stacks", "--stack-name", options.stack,
            "--query", "Stacks[0].Outputs", "--output", "json",
        )  # fmt: skip
        outputs = {output["OutputKey"]: output["OutputValue"] for output in json.loads(output_of(asked))}
    return push_commands(tag=options.tag or _revision(), outputs=outputs)


def _deploy(options: argparse.Namespace) -> list[Command]:
    parameters = dict(pair.split("=", 1) for pair in options.parameters)
    parameters |= {"Architecture": options.architecture} | ({"ImageTag": options.tag} if options.tag else {})
    artifact = None
    if parameters.get("Consumer", "ecs") != "ecs" and "ArtifactKey" not in parameters:
        artifact = _artifact(options)
        parameters["ArtifactKey"] = artifact.name
        parameters.setdefault("ArtifactBucket", options.s3_bucket or _bucket(options))
    return deploy_commands(stack=options.stack, parameters=parameters, s3_bucket=options.s3_bucket, artifact=artifact)


def _bucket(options: argparse.Namespace) -> str:
    return "<BucketName>" if options.dry_run else output_of(command("cloudformation/bucket")).strip()


def _artifact(options: argparse.Namespace) -> Path:
    if options.dry_run:
        return Path("dist") / f"lambda-{options.architecture}-<hash>.zip"
    return build_artifact(TARGETS[options.architecture], PROJECT / "dist")


def _destroy(options: argparse.Namespace) -> list[Command]:
    if not options.dry_run and not options.yes:
        sys.stdout.write(f"Delete the stack {options.stack} and all it runs? Type its name: ")
        sys.stdout.flush()
        if sys.stdin.readline().strip() != options.stack:
            raise CommandFailedError("nothing was deleted")
    sys.stderr.write("the bucket of templates and function zips stays: docs/deploy.md says how it goes\n")
    return destroy_commands(stack=options.stack)


def _revision() -> str:
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607  # the user's own git
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if described.returncode != 0:
        raise CommandFailedError("no git revision to tag images with: give --tag")
    return described.stdout.strip()


STEPS: dict[str, Callable[[argparse.Namespace], list[Command]]] = {
    "images": _images,
    "push": _push,
    "deploy": _deploy,
    "destroy": _destroy,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one step; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cloudformation.delivery", description="Images and stack.")
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--stack", default="flash-sale", help="name of the stack (flash-sale)")
    parser.add_argument("--tag", default="", help="tag of the images (images, push: the git revision)")
    parser.add_argument("--architecture", choices=PLATFORMS, default="arm64", help="CPU of tasks and function")
    parser.add_argument("--s3-bucket", default="", metavar="NAME", help="deploy: a bucket of your own on the way")
    parser.add_argument("--dry-run", action="store_true", help="print the commands and run none")
    parser.add_argument("--yes", action="store_true", help="destroy without asking")
    parser.add_argument("parameters", nargs="*", metavar="NAME=VALUE", help="deploy: parameters of the stack")
    options = parser.parse_intermixed_args(arguments)
    if wrong := [pair for pair in options.parameters if "=" not in pair]:
        parser.error(f"not NAME=VALUE: {' '.join(wrong)}")
    try:
        carry_out(STEPS[options.step](options), dry_run=options.dry_run)
    except (CommandFailedError, ArtifactError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0
