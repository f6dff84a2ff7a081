"""Build the function's zips: `python -m cloudformation.delivery.artifact [--target CPU] [-o FOLDER]`.

`x86_64` and `arm64` are for Lambda's python3.13; `local` is for this interpreter, which the embedded AWS uses. Each
holds the hash-checked dependencies of services/lambda-handler/requirements.lock, the packages of this project and
bytecode. The file's name holds a hash of all that went in: a file that is there is not built again, and the name is
a good S3 key, since another content has another key.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloudformation.delivery.archive import ArtifactError, write_archive
from cloudformation.delivery.interpreters import find_interpreter

PROJECT = Path(__file__).resolve().parents[2]
LOCK = PROJECT / "services" / "lambda-handler" / "requirements.lock"
PACKAGES = (
    PROJECT / "libs" / "flashbus" / "src" / "flashbus",
    PROJECT / "libs" / "flashmsg" / "src" / "flashmsg",
    PROJECT / "libs" / "flashpay" / "src" / "flashpay",
    PROJECT / "libs" / "flashstock" / "src" / "flashstock",
    PROJECT / "services" / "lambda-handler" / "src" / "lambda_handler",
)
LAMBDA_PYTHON = "3.13"
# botocore ships the models of every service, 20 MB; the function calls these two.
AWS_SERVICES = ("dynamodb", "sqs")
_DROPPED = ("__pycache__", "tests", "testing", "*.pyi", "*.pyx", "*.pxd", "*.h", "*.c", "*.hash")


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a zip runs on: the platform tags of its wheels, and the Python that its bytecode is for."""

    name: str
    python: str
    platforms: tuple[str, ...] = ()


LOCAL = Target(name="local", python=f"{sys.version_info.major}.{sys.version_info.minor}")
TARGETS = {
    target.name: target
    for target in (
        *(
            Target(
                name=cpu,
                python=LAMBDA_PYTHON,
                platforms=tuple(f"{tag}_{wheel}" for tag in ("manylinux_2_28", "manylinux_2_17", "manylinux2014")),
            )
            for cpu, wheel in (("x86_64", "x86_64"), ("arm64", "aarch64"))
        ),
        LOCAL,
    )
}


def build_local_artifact(output: Path = PROJECT / "dist") -> Path:
    """The zip for this interpreter, built unless it is there; its name holds the hash of its content."""
    return build_artifact(LOCAL, output)


def build_artifact(target: Target, output: Path) -> Path:
    """Build the zip of one target in the folder `output`, or return the one that is there.

    Raises:
        ArtifactError: pip failed, or the result is too large for Lambda.
    """
    interpreter = find_interpreter(target.python)
    if interpreter is None:
        sys.stderr.write(
            f"warning: no Python {target.python} was found, so the {target.name} zip holds no bytecode and its cold "
            f"start takes about three times as long: install Python {target.python} and build again\n"
        )
    archive = output / f"lambda-{target.name}-{_content_hash(target, compiled=interpreter is not None)}.zip"
    if archive.exists():
        return archive
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".lambda-") as scratch:
        stage = Path(scratch) / "stage"
        _install_dependencies(target, stage)
        for package in PACKAGES:
            shutil.copytree(package, stage / package.name, ignore=shutil.ignore_patterns(*_DROPPED))
        if interpreter is not None:
            _compile(interpreter, stage)
        write_archive(stage, Path(scratch) / archive.name)
        # Renamed in one step: another build of the same content may be doing the same.
        (Path(scratch) / archive.name).rename(archive)
    return archive


def _content_hash(target: Target, *, compiled: bool) -> str:
    digest = hashlib.sha256(f"{target} {compiled} {AWS_SERVICES}".encode())
    sources = [file for package in PACKAGES for file in package.rglob("*.py")]
    for file in (Path(__file__), LOCK, *sorted(sources)):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(PROJECT).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:12]


def _install_dependencies(target: Target, stage: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", str(LOCK)]
    command += ["--target", str(stage)]
    if target.platforms:
        command += ["--implementation", "cp", "--python-version", target.python]
        command += [part for platform in target.platforms for part in ("--platform", platform)]
    pip = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    if pip.returncode != 0:
        raise ArtifactError(f"the {target.name} dependencies could not be installed:\n{pip.stderr.strip()}")
    _drop_unused(stage)


def _drop_unused(stage: Path) -> None:
    """Take out what the function never reads: it all would count against Lambda's limit and the cold start."""
    shutil.rmtree(stage / "bin", ignore_errors=True)
    for pattern in _DROPPED:
        for path in list(stage.rglob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    models = stage / "botocore" / "data"
    for service in models.iterdir():
        if service.is_dir() and service.name not in AWS_SERVICES:
            shutil.rmtree(service)


def _compile(interpreter: Path, stage: Path) -> None:
    # Unchecked: Lambda's code folder is read-only and the files' times are not the true ones.
    subprocess.run(  # noqa: S603 - an interpreter we found
        [
            interpreter,
            "-m",
            "compileall",
            "-q",
            "--invalidation-mode",
            "unchecked-hash",
            "-s",
            stage,
            "-p",
            "/var/task",
            stage,
        ],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )


def _forget_older(target: Target, archive: Path) -> None:
    for older in archive.parent.glob(f"lambda-{target.name}-*.zip"):
        if older != archive:
            older.unlink(missing_ok=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build what was asked for and print the path of each zip; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m cloudformation.delivery.artifact", description="Build the function's zips."
    )
    parser.add_argument("--target", choices=(*TARGETS, "all"), default="all", help="what the zip runs on")
    parser.add_argument("-o", "--output", type=Path, default=PROJECT / "dist", metavar="FOLDER", help="default: dist")
    options = parser.parse_args(arguments)
    targets = TARGETS.values() if options.target == "all" else [TARGETS[options.target]]
    try:
        for target in targets:
            archive = build_artifact(target, options.output)
            _forget_older(target, archive)
            sys.stdout.write(f"{archive}  {archive.stat().st_size / 1e6:.1f} MB\n")
    except (ArtifactError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
