"""What the template refuses of names and values, said before anything is built, uploaded or asked."""

import difflib
import re
from collections.abc import Mapping
from typing import Any

from cloudformation.build import build_template

# It begins the names of queues and of the function, which may be 64 characters long.
LONGEST_STACK_NAME = 50
STACK_NAME = re.compile(f"[A-Za-z][A-Za-z0-9-]{{0,{LONGEST_STACK_NAME - 1}}}")


class RefusedError(Exception):
    """What was asked for cannot be done, whatever the account is like; the message says what to ask for."""


def refusals(given: Mapping[str, str]) -> list[str]:
    """A sentence for each of these parameters that the template does not take."""
    asked = {title: parameter.to_dict() for title, parameter in build_template("all").parameters.items()}
    return [
        sentence
        for name, value in given.items()
        if (sentence := _refusal(name, value, asked[name]) if name in asked else _unknown(name, asked))
    ]


def stack_refusal(name: str) -> str | None:
    """What is wrong with the name of a stack."""
    if STACK_NAME.fullmatch(name):
        return None
    return (
        f"{name!r} is no name for a stack: letters, digits and hyphens, a letter first, {LONGEST_STACK_NAME} at most."
    )


def _unknown(name: str, asked: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, asked, n=1)
    return f"{name!r} is no parameter of the template{f': {near[0]}?' if near else ', docs/deploy.md names them all.'}"


def _refusal(name: str, value: str, parameter: Mapping[str, Any]) -> str | None:
    if "AllowedValues" in parameter and value not in map(str, parameter["AllowedValues"]):
        return f"{name}={value} is refused: give one of {', '.join(map(str, parameter['AllowedValues']))}."
    if "AllowedPattern" in parameter and not re.fullmatch(parameter["AllowedPattern"], value):
        return f"{name}={value} is refused: {parameter['ConstraintDescription']}."
    if parameter["Type"] == "Number" and not _is_within(value, parameter["MinValue"], parameter["MaxValue"]):
        return (
            f"{name}={value} is refused: give a whole number from {parameter['MinValue']} to {parameter['MaxValue']}."
        )
    return None


def _is_within(value: str, low: int, high: int) -> bool:
    # CloudFormation takes 60.5 for a number, and the queue that is made with it does not.
    return re.fullmatch("[0-9]{1,9}", value) is not None and low <= int(value) <= high
