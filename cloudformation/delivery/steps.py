"""From this tree to a running stack and back: `python -m cloudformation.delivery STEP`.

Every step takes `--dry-run`, which prints the commands it would run and touches nothing; `changes` asks CloudFormation
what a deployment would change, and changes nothing either.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cloudformation.build import build_template
from cloudformation.delivery.archive import ArtifactError
from cloudformation.delivery.artifact import PROJECT, TARGETS, build_artifact
from cloudformation.delivery.change_set import preview
from cloudformation.delivery.command_line import PLATFORMS, parse
from cloudformation.delivery.commands import Command, CommandFailedError, carry_out, command, output_of
from cloudformation.delivery.environments import load_environment
from cloudformation.delivery.given_parameters import RefusedError, refusals, stack_refusal
from cloudformation.delivery.operations import FUNCTION, QUEUES, logs_commands, status_commands
from cloudformation.delivery.preflight import findings, plan
from cloudformation.delivery.retained import BUCKET_STAYS, retained_titles, what_stays
from cloudformation.delivery.running_stack import RunningStack, find_stack
from cloudformation.delivery.sale import sale_findings
from cloudformation.delivery.scan import scan
from cloudformation.delivery.scrape_targets import discovery_commands, scrape_targets

# The stack's output that says where the images of a service go.
REPOSITORIES = {
    "order-api": "ApiRepositoryUri",
    "order-processor": "ProcessorRepositoryUri",
    "payment-gateway": "GatewayRepositoryUri",
}
# As a shell says it of a command that SIGINT ended.
INTERRUPTED = 130


def image_commands(*, tag: str, architecture: str) -> list[Command]:
    """Build every image for that CPU and keep it in the local engine."""
    return [
        command(
            "docker", "buildx", "build", "--platform", PLATFORMS[architecture], "--load",
            "--file", "services/Dockerfile", "--build-arg", f"SERVICE={service}", "--tag", f"{service}:{tag}", ".",
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


def deployment(*, stack: str, parameters: Mapping[str, str], s3_bucket: str | None, execute: bool = True) -> Command:
    """Create or update the stack, or make the change set alone; only these parameters are set.

    The template goes through `s3_bucket`; without one the one that `cloudformation/deploy` makes.
    """
    overrides = [f"{name}={value}" for name, value in sorted(parameters.items())]
    return command(
        "cloudformation/deploy", "--stack-name", stack, *(["--s3-bucket", s3_bucket] if s3_bucket else []),
        *([] if execute else ["--no-execute-changeset"]),
        *(["--parameter-overrides", *overrides] if overrides else []),
        fed_by=command(sys.executable, "-m", "cloudformation.build"),
    )  # fmt: skip


def outputs_command(stack: str) -> Command:
    """Show what the stack put out."""
    return command(
        "aws", "cloudformation", "describe-stacks", "--stack-name", stack,
        "--query", "Stacks[0].Outputs[].[OutputKey,OutputValue]", "--output", "table",
    )  # fmt: skip


def destroy_commands(*, stack: str) -> list[Command]:
    """Delete the stack and wait until it is gone; what RetainData keeps stays."""
    return [
        command("aws", "cloudformation", "delete-stack", "--stack-name", stack),
        command("aws", "cloudformation", "wait", "stack-delete-complete", "--stack-name", stack),
    ]


def _images(options: argparse.Namespace) -> list[Command]:
    return image_commands(tag=options.tag or _revision(), architecture=_architecture(options, RunningStack()))


def _push(options: argparse.Namespace) -> list[Command]:
    return push_commands(tag=options.tag or _revision(), outputs=_outputs(options, *REPOSITORIES.values()))


def _scan(options: argparse.Namespace) -> list[Command]:
    tag = options.tag or _revision()
    if options.dry_run:
        return [command("aws", "ecr", "wait", "image-scan-complete", "--image-id", f"imageTag={tag}")]
    sys.stdout.write(scan(tag=tag, outputs=_outputs(options, *REPOSITORIES.values()), repositories=REPOSITORIES))
    return []


def _deploy(options: argparse.Namespace) -> list[Command]:
    running = RunningStack() if options.dry_run else find_stack(_stack(options))
    parameters = _parameters(options)
    if not options.dry_run:
        _check_sale(parameters, running)
    if not running.exists and not options.dry_run:
        sys.stderr.write("".join(f"{sentence}\n" for sentence in _findings(options, running)))
    upload: list[Command] = []
    consumer = (dict(running.parameters) | parameters).get("Consumer", "ecs")
    if consumer != "ecs" and "ArtifactKey" not in parameters:
        artifact = _artifact(options, running)
        parameters["ArtifactKey"] = artifact.name
        parameters.setdefault("ArtifactBucket", options.s3_bucket or _bucket(options))
        upload = [command("aws", "s3", "cp", str(artifact), f"s3://{parameters['ArtifactBucket']}/{artifact.name}")]
    deploy = deployment(stack=_stack(options), parameters=parameters, s3_bucket=options.s3_bucket)
    return [*upload, deploy, outputs_command(_stack(options))]


def _check_sale(asked: Mapping[str, str], running: RunningStack) -> None:
    """Refuse a sale that is asked for and cannot be; of one that the stack still has it is only said."""
    found = sale_findings({**running.parameters, **asked}, now=datetime.now(UTC))
    if found and asked.get("SaleStart"):
        raise RefusedError(found[0])
    sys.stderr.write("".join(f"{sentence}\n" for sentence in found))


def _changes(options: argparse.Namespace) -> list[Command]:
    asked = deployment(
        stack=_stack(options), parameters=_parameters(options), s3_bucket=options.s3_bucket, execute=False
    )
    if options.dry_run:
        return [asked]
    if not find_stack(_stack(options)).exists:
        raise CommandFailedError(f"there is no stack {_stack(options)}: a deployment makes everything anew")
    sys.stdout.write(preview(asked))
    return []


def _outputs(options: argparse.Namespace, *needed: str) -> Mapping[str, str]:
    """What the stack put out, with `needed` among it; in a dry run the names of it.

    A stack that is being made, or whose creation failed, puts out nothing.
    """
    if options.dry_run:
        return {name: f"<{name}>" for name in build_template("all").outputs}
    stack = _stack(options)
    running = find_stack(stack)
    if not running.exists:
        raise CommandFailedError(f"there is no stack {stack}: make deploy makes it")
    if missing := set(needed) - running.outputs.keys():
        raise CommandFailedError(
            f"the stack {stack} has no {', '.join(sorted(missing))} ({running.status}): wait until it is made, or look "
            f"at its events: aws cloudformation describe-stack-events --stack-name {stack}"
        )
    return running.outputs


def _preflight(options: argparse.Namespace) -> list[Command]:
    if options.dry_run:
        return [command("aws", "sts", "get-caller-identity")]
    found = _findings(options, find_stack(_stack(options)))
    sys.stdout.write("".join(f"{sentence}\n" for sentence in found) or "nothing stands in the way\n")
    if found:
        raise CommandFailedError(f"{len(found)} to see to before a deployment")
    return []


def _findings(options: argparse.Namespace, running: RunningStack) -> list[str]:
    asked = {title: str(parameter.Default) for title, parameter in build_template("all").parameters.items()}
    wanted = asked | dict(running.parameters) | _parameters(options)
    return sale_findings(wanted, now=datetime.now(UTC)) + findings(plan(wanted, exists=running.exists))


def _status(options: argparse.Namespace) -> list[Command]:
    return status_commands(stack=_stack(options), outputs=_outputs(options, "ClusterName", *QUEUES))


def _logs(options: argparse.Namespace) -> list[Command]:
    outputs = _outputs(options, "ServiceLogsName")
    if options.service == FUNCTION and "FunctionName" not in outputs:
        raise CommandFailedError(f"the stack {_stack(options)} has no function: its Consumer is ecs")
    return logs_commands(outputs=outputs, service=options.service, pattern=options.filter)


def _targets(options: argparse.Namespace) -> list[Command]:
    outputs = _outputs(options, "DiscoveryNamespace")
    if options.dry_run:
        return list(discovery_commands(outputs).values())
    sys.stdout.write(scrape_targets(outputs))
    return []


def _stack(options: argparse.Namespace) -> str:
    name: str = options.stack or (load_environment(options.environment).stack if options.environment else "flash-sale")
    return name


def _refuse(options: argparse.Namespace) -> None:
    """Raise RefusedError for a name or a value that the template does not take."""
    wrong = [stack_refusal(_stack(options)), *refusals(_parameters(options))]
    if sentences := [sentence for sentence in wrong if sentence]:
        raise RefusedError("\n".join(sentences))


def _parameters(options: argparse.Namespace) -> dict[str, str]:
    """What is asked for: all of an environment, and what the command line says besides."""
    parameters = dict(load_environment(options.environment).parameters) if options.environment else {}
    parameters |= {"Architecture": options.architecture} if options.architecture else {}
    parameters |= {"ImageTag": options.tag} if options.tag else {}
    return parameters | dict(pair.split("=", 1) for pair in options.parameters)


def _architecture(options: argparse.Namespace, running: RunningStack) -> str:
    return (dict(running.parameters) | _parameters(options)).get("Architecture", next(iter(PLATFORMS)))


def _bucket(options: argparse.Namespace) -> str:
    return "<BucketName>" if options.dry_run else output_of(command("cloudformation/bucket")).strip()


def _artifact(options: argparse.Namespace, running: RunningStack) -> Path:
    target = _architecture(options, running)
    if options.dry_run:
        return Path("dist") / f"lambda-{target}-<hash>.zip"
    return build_artifact(TARGETS[target], PROJECT / "dist")


def _destroy(options: argparse.Namespace) -> list[Command]:
    stack = _stack(options)
    if options.dry_run:
        sys.stderr.write(f"stays unless RetainData is false: {', '.join(retained_titles())}\n{BUCKET_STAYS}")
        return destroy_commands(stack=stack)
    sys.stderr.write(what_stays(stack, find_stack(stack)))
    if not options.yes:
        sys.stdout.write(f"Delete the stack {stack} and all it runs? Type its name: ")
        sys.stdout.flush()
        if sys.stdin.readline().strip() != stack:
            raise CommandFailedError("nothing was deleted")
    return destroy_commands(stack=stack)


def _revision() -> str:
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607  # the user's own git
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if described.returncode != 0:
        raise CommandFailedError("no git revision to tag images with: give --tag")
    return described.stdout.strip()


STEPS: dict[str, Callable[[argparse.Namespace], list[Command]]] = {
    "preflight": _preflight,
    "images": _images,
    "push": _push,
    "scan": _scan,
    "changes": _changes,
    "deploy": _deploy,
    "destroy": _destroy,
    "status": _status,
    "logs": _logs,
    "targets": _targets,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one step; returns the exit code."""
    options = parse(arguments, steps=STEPS)
    try:
        _refuse(options)
        carry_out(STEPS[options.step](options), dry_run=options.dry_run)
    except RefusedError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (CommandFailedError, ArtifactError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: what AWS was told already goes on there (make status)\n")
        return INTERRUPTED
    return 0
