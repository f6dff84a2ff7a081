"""Zip files whose bytes depend on their contents alone, within Lambda's limits."""

import zipfile
from pathlib import Path

ZIPPED_LIMIT_BYTES = 50 * 1024 * 1024
UNZIPPED_LIMIT_BYTES = 250 * 1024 * 1024
# The earliest time a zip can hold; the true one would make every build another artifact.
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_READABLE_BY_ALL = 0o100644 << 16


class ArtifactError(Exception):
    """The artifact cannot be built, or Lambda would refuse it; the message says what to do."""


def write_archive(folder: Path, target: Path) -> int:
    """Zip everything below `folder` into `target` and return the unzipped size in bytes.

    Raises:
        ArtifactError: Lambda would refuse it for its size.
    """
    unzipped = 0
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), date_time=_TIMESTAMP)
            entry.external_attr = _READABLE_BY_ALL
            entry.compress_type = zipfile.ZIP_DEFLATED
            content = file.read_bytes()
            unzipped += len(content)
            archive.writestr(entry, content)
    check_size(zipped=target.stat().st_size, unzipped=unzipped)
    return unzipped


def check_size(*, zipped: int, unzipped: int) -> None:
    """Raise ArtifactError when Lambda would refuse an artifact of these sizes in bytes."""
    for size, limit, form in ((zipped, ZIPPED_LIMIT_BYTES, "zipped"), (unzipped, UNZIPPED_LIMIT_BYTES, "unzipped")):
        if size > limit:
            raise ArtifactError(
                f"the function is {size / 1e6:.0f} MB {form} and Lambda takes {limit / 1e6:.0f} MB: drop a "
                "dependency, or ship a container image"
            )
