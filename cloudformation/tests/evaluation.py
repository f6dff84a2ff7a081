"""The template as CloudFormation sees it with given parameters: conditions decided, parameters put in.

What only a running stack knows (the name of a queue, the account) stays as it is written.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]
_NO_VALUE = {"Ref": "AWS::NoValue"}


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One template under one choice of parameters."""

    template: Document
    parameters: Mapping[str, str]

    def resources(self) -> dict[str, Document]:
        """Every resource that exists, by its title, with its properties worked out."""
        return {
            title: self._resolved(resource)
            for title, resource in self.template["Resources"].items()
            if "Condition" not in resource or self.holds({"Condition": resource["Condition"]})
        }

    def refusals(self) -> list[str]:
        """The sentences of the rules that refuse these parameters."""
        rules = sorted(self.template["Rules"].items())
        return [
            assertion["AssertDescription"]
            for _, rule in rules
            if "RuleCondition" not in rule or self.holds(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self.holds(assertion["Assert"])
        ]

    def holds(self, condition: Document) -> bool:
        """Whether a condition is true."""
        ((kind, operands),) = condition.items()
        if kind == "Condition":
            return self.holds(self.template["Conditions"][operands])
        if kind == "Fn::Equals":
            one, other = (self._resolved(operand) for operand in operands)
            return bool(one == other)
        if kind == "Fn::Contains":
            return self._resolved(operands[1]) in operands[0]
        held = [self.holds(operand) for operand in operands]
        return {"Fn::And": all(held), "Fn::Or": any(held), "Fn::Not": not held[0]}[kind]

    def _resolved(self, value: Any) -> Any:  # noqa: ANN401  # any part of a template
        if isinstance(value, list):
            return [item for item in map(self._resolved, value) if item != _NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((kind, operand),) = value.items()
            functions: dict[str, Callable[[Any], Any]] = {
                "Ref": self._ref,
                "Fn::If": self._if,
                "Fn::FindInMap": self._found,
                "Fn::Sub": self._sub,
            }
            if kind in functions:
                return functions[kind](operand)
        resolved = {key: self._resolved(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item != _NO_VALUE}

    def _ref(self, name: str) -> object:
        return self.parameters.get(name, {"Ref": name})

    def _if(self, operands: list[Any]) -> Any:  # noqa: ANN401  # any part of a template
        name, one, other = operands
        return self._resolved(one if self.holds({"Condition": name}) else other)

    def _found(self, operands: list[Any]) -> object:
        name, row, column = (self._resolved(operand) for operand in operands)
        return self.template["Mappings"][name][row][column]

    def _sub(self, operand: Any) -> Document:  # noqa: ANN401  # text, or text and what is put into it
        text, given = operand if isinstance(operand, list) else (operand, {})
        values = {**self.parameters, **{name: self._resolved(value) for name, value in given.items()}}
        known = {name: value for name, value in values.items() if isinstance(value, str)}
        put_in = re.sub(r"\$\{(\w+)\}", lambda found: known.get(found[1], found[0]), text)
        return {"Fn::Sub": [put_in, {name: value for name, value in values.items() if isinstance(value, dict)}]}
