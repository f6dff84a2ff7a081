"""The command line of a service: no options but `--help`; everything else is environment."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import TypeVar

from flashops.settings import ServiceSettings, SettingsError, default_text

EXIT_USAGE = 2

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


def load_settings(
    settings_type: type[SettingsT],
    *,
    program: str,
    description: str,
    argv: Sequence[str],
    environ: Mapping[str, str],
) -> SettingsT:
    """Answer `--help`, or read the settings; a wrong variable ends the process with status 2.

    Raises:
        SystemExit: 0 after `--help`; 2 for an unknown argument or a wrong variable, named on stderr.
    """
    parser = argparse.ArgumentParser(
        prog=program,
        description=description,
        epilog=variables_help(settings_type),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(argv)
    try:
        return settings_type.from_environment(environ)
    except SettingsError as exc:
        for problem in exc.problems:
            sys.stderr.write(f"{program}: {problem}\n")
        raise SystemExit(EXIT_USAGE) from None


def variables_help(settings_type: type[ServiceSettings]) -> str:
    """One line for each environment variable: name, meaning, default."""
    lines = ["environment variables:"]
    variables = settings_type.variables({})
    for name, field in settings_type.model_fields.items():
        shown = "required" if field.is_required() else f"default {default_text(field) or 'none'}"
        lines.append(f"  {variables[name]:<28} {field.description or ''} ({shown})")
    lines.append("  AWS_*                        the standard AWS variables: region, credentials, endpoint")
    return "\n".join(lines)
