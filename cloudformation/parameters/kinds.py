"""The kinds of parameters the template asks for, each refused out of range with a sentence that says what to give."""

from collections.abc import Sequence

from troposphere import And, Equals, Parameter, Template


def add_choice(template: Template, title: str, values: Sequence[object], **properties: object) -> Parameter:
    """Add a string parameter that takes one of `values`; the first is the default unless `Default` is given."""
    allowed = [str(value) for value in values]
    choice = Parameter(title, Type="String", AllowedValues=allowed, **{"Default": allowed[0], **properties})
    template.add_parameter(choice)
    return choice


def add_number(template: Template, title: str, *, default: int, low: int, high: int, why: str) -> Parameter:
    """Add a number; outside of `low` to `high` CloudFormation itself says what the bound is."""
    number = Parameter(
        title,
        Type="Number",
        Default=default,
        MinValue=low,
        MaxValue=high,
        Description=why,
    )
    template.add_parameter(number)
    return number


def add_text(template: Template, title: str, *, pattern: str, why: str, otherwise: str, default: str = "") -> Parameter:
    """Add a string that may stay at its default and otherwise matches `pattern`; `otherwise` says what to give."""
    text = Parameter(
        title,
        Type="String",
        Default=default,
        AllowedPattern=pattern if default else f"^$|{pattern}",
        Description=why,
        ConstraintDescription=otherwise,
    )
    template.add_parameter(text)
    return text


def add_flag(template: Template, title: str, *, default: bool, why: str) -> Parameter:
    """Add a true/false parameter."""
    return add_choice(template, title, ("true", "false"), Default="true" if default else "false", Description=why)


def add_switch(template: Template, flag: Parameter) -> str:
    """Add the condition that a true/false parameter is true, and return its name."""
    return template.add_condition(f"{flag.title}On", Equals(flag.ref(), "true"))


def both(template: Template, name: str, one: str, other: str) -> str:
    """Add the condition that both of these hold, and return its name."""
    return template.add_condition(name, And({"Condition": one}, {"Condition": other}))
