"""What the Dockerfile installs for each service, installed into an empty folder, and the service started from it."""

import contextlib
import hashlib
import itertools
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from cloudformation.build import render_template
from cloudformation.delivery.artifact import PROJECT, TARGETS
from cloudformation.resources.security_groups import API_OPERATIONS_PORT, API_PORT, GATEWAY_PORT, PROCESSOR_PORT
from cloudformation.tests.dockerfile import DOCKERIGNORE, image
from local.emulator import RunningEmulator
from local.ports import free_port
from local.processes import ManagedProcess
from local.stack import delete_stack, deploy_stack

SERVICES = ("order-api", "order-processor", "payment-gateway")


def left_out() -> list[str]:
    """The names that stay out of every image wherever they are, as its `.dockerignore` says."""
    ignored = DOCKERIGNORE.read_text(encoding="utf-8").splitlines()
    # Of two patterns that match the last one counts, so what is left out everywhere comes after what is let in.
    return [line.removeprefix("**/") for line in ignored[max(i for i, x in enumerate(ignored) if x[0] == "!") + 1 :]]


def for_this_machine(words: list[str]) -> list[str]:
    """The words of `pip install` for a target with the CPU here; elsewhere than on Linux for no target at all."""
    if platform.system() == "Linux":
        return [word.replace("$cpu", platform.machine()) for word in words]
    return [
        word for before, word in itertools.pairwise(["", *words]) if word != "--platform" and before != "--platform"
    ]


@pytest.fixture(scope="session")
def installed(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """What the Dockerfile installs from a service's lock; done once, or found from the last run."""
    cache: Path = request.config.cache.mkdir("images")

    def install(service: str) -> Path:
        pip, *words = image(service).install
        assert pip == "pip"
        lock = PROJECT / "services" / service / "requirements.lock"
        key = "\0".join([sys.version, *words, lock.read_text(encoding="utf-8")])
        folder = cache / hashlib.sha256(key.encode()).hexdigest()[:16]
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                _install(words, lock=lock, folder=Path(scratch) / "app")
                # In one step: another process may be doing the same.
                with contextlib.suppress(OSError):
                    (Path(scratch) / "app").rename(folder)
        return folder

    return install


def _install(words: list[str], *, lock: Path, folder: Path) -> None:
    arguments = [{"/app": str(folder), "requirements.lock": str(lock)}.get(word, word) for word in words]
    arguments = for_this_machine(arguments)
    # The image build keeps no cache; here it only would cost time.
    arguments.remove("--no-cache-dir")
    command = [sys.executable, "-m", "pip", "--quiet", *arguments]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603  # the Dockerfile's own words


@pytest.fixture
async def outputs(embedded_aws: RunningEmulator) -> AsyncIterator[dict[str, str]]:
    parameters, template = {"RetainData": "false"}, render_template("pipeline")
    yield await deploy_stack(embedded_aws.environment, name="images", template=template, parameters=parameters)
    await delete_stack(embedded_aws.environment, name="images")


@pytest.mark.embedded_aws
@pytest.mark.timeout(180)
@pytest.mark.parametrize("service", SERVICES)
async def test_the_service_starts_from_what_its_image_holds(
    embedded_aws: RunningEmulator,
    outputs: dict[str, str],
    installed: Callable[[str], Path],
    tmp_path: Path,
    service: str,
) -> None:
    app = tmp_path / "app"
    for source in image(service).sources:
        shutil.copytree(source, app, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*left_out()))
    assert not list(app.rglob("testing"))
    port, operations_port = free_port(), free_port()
    url = f"http://127.0.0.1:{operations_port if service == 'order-api' else port}/livez"
    process = ManagedProcess(
        name=service,
        # -S: nothing but the image's own folder can be imported
        argv=[sys.executable, "-S", *image(service).command[1:]],
        environment={
            **image(service).variables,
            **embedded_aws.environment,
            "PYTHONPATH": f"{app}:{installed(service)}",
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "OPERATIONS_HOST": "127.0.0.1",
            "OPERATIONS_PORT": str(operations_port),
            "ORDERS_TOPIC_ARN": outputs["TopicArn"],
            "ORDERS_TABLE": outputs["OrdersTableName"],
            "PRODUCTS_TABLE": outputs["ProductsTableName"],
            "QUEUE_URL": outputs["QueueUrl"],
            "DEAD_LETTER_QUEUE_URL": outputs["DeadLetterQueueUrl"],
            "WAIT_SECONDS": "1",
            "ORDER_ID_SECRET": "s" * 64,
            "GATEWAY_URL": "http://127.0.0.1:1",
            "CHARGE_STORE_PATH": str(tmp_path / "payments.sqlite3"),
        },
        log_path=tmp_path / "service.log",
        ready_url=url,
    )
    async with process, aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("service", "ports"),
    [
        ("order-api", {"PORT": API_PORT, "OPERATIONS_PORT": API_OPERATIONS_PORT}),
        ("order-processor", {"PORT": PROCESSOR_PORT}),
        ("payment-gateway", {"PORT": GATEWAY_PORT}),
    ],
)
def test_an_image_listens_where_the_template_sends(service: str, ports: dict[str, int]) -> None:
    variables = image(service).variables
    assert {name: int(value) for name, value in variables.items() if name.endswith("PORT")} == ports
    assert {value for name, value in variables.items() if name.endswith("HOST")} == {"0.0.0.0"}  # noqa: S104
    (exposed,) = image(service).instructions("EXPOSE")
    assert {int(port) for port in exposed.split()} == set(ports.values())


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_for_another_cpu_needs_no_emulation(service: str) -> None:
    file = image(service)
    assert file.build.startswith("FROM --platform=$BUILDPLATFORM python:")
    assert file.instructions("RUN") == [], "it would run on the target's CPU"
    # As of the function's zip, whose targets are held to what Lambda takes.
    assert file.cpus == {"amd64": "x86_64", "arm64": "aarch64"}
    for cpu, target in (("x86_64", TARGETS["x86_64"]), ("aarch64", TARGETS["arm64"])):
        tags = [
            word.replace("$cpu", cpu) for before, word in itertools.pairwise(file.install) if before == "--platform"
        ]
        assert tuple(tags) == target.platforms


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_is_small_unprivileged_and_stops_when_told(service: str) -> None:
    file = image(service)
    assert file.shipped[-1].startswith("FROM python:"), "what builds is not shipped"
    assert "--require-hashes" in file.install
    assert file.instructions("USER") == ["10001:10001"]
    assert file.instructions("STOPSIGNAL") == ["SIGTERM"]
    assert file.command == ["python", "-m", service.replace("-", "_")], "exec form: no shell between signal and service"
    assert "compileall" in file.build
    copied = {str(source.relative_to(PROJECT)) for source in file.sources}
    ignored = DOCKERIGNORE.read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*"
    assert copied | {f"services/{service}/requirements.lock"} <= {line.removeprefix("!") for line in ignored}
