"""What a mutation may do to a piece of code: mutmut's operators, and two that it lacks."""

from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m
from mutmut.mutation.mutators import mutation_operators

_LOG_NAME = m.Name(m.MatchIfTrue(lambda name: name.lower().strip("_") in {"log", "logger"}))
_LOG_CALL = m.Call(
    func=m.Attribute(
        value=m.OneOf(_LOG_NAME, m.Attribute(attr=_LOG_NAME), m.Call(func=m.Attribute(attr=m.Name("get_logger")))),
        attr=m.OneOf(*(m.Name(level) for level in ("debug", "info", "warning", "error", "exception"))),
    )
)
_TYPE_CALL = m.Call(func=m.OneOf(*(m.Name(name) for name in ("cast", "NewType", "TypeVar", "Literal"))))
_LOG_LINE = m.SimpleStatementLine(body=[m.Expr(_LOG_CALL)])
_DOCSTRING = m.SimpleStatementLine(body=[m.Expr(m.SimpleString() | m.ConcatenatedString())])
_PROTOCOL = m.ClassDef(bases=[m.ZeroOrMore(), m.Arg(m.Name("Protocol")), m.ZeroOrMore()])
_NAME_FOR_PEOPLE = m.Arg(m.SimpleString() | m.FormattedString(), keyword=m.Name("name"))  # a task's or a thread's
_EFFECTS = m.OneOf(
    m.Expr(m.Call() | m.Await() | m.Yield()),
    m.Raise(),
    m.AugAssign(),
    m.Del(),
    m.Assign(targets=[m.AssignTarget(m.Attribute() | m.Subscript())]),
)

# Nothing in these is a promise that a test could hold: what only the type checker reads, the words of a log line and of
# a document, the name of a task, and a decorator, which breaks the import when it breaks at all.
LEFT_ALONE = m.OneOf(
    m.Annotation(), m.Decorator(), m.ImportFrom(), m.Import(), _LOG_LINE, _TYPE_CALL, _DOCSTRING, _NAME_FOR_PEOPLE,
    m.AnnAssign(annotation=m.Annotation(m.Name("TypeAlias"))), _PROTOCOL,
    m.Assign(value=m.Call(func=m.Name("TypeVar"))),
    m.Assign(targets=[m.AssignTarget(m.Name("__all__"))]),
    m.If(test=m.Name("TYPE_CHECKING")),
)  # fmt: skip


def replacements(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Every node that may stand in the place of `node`."""
    if isinstance(node, cst.SimpleString) and " " in node.value:
        return  # a sentence for people; names, keys and codes have no blanks
    for kind, operator in mutation_operators:
        if isinstance(node, kind):
            yield from (other for other in operator(node) if _names(other) == _names(node))
    yield from _without_effect(node)
    yield from _turned_condition(node)


def _names(node: cst.CSTNode) -> int:
    """How many arguments of a call are names for people; its mutants keep them."""
    return sum(m.matches(argument, _NAME_FOR_PEOPLE) for argument in node.args) if isinstance(node, cst.Call) else 0


def _without_effect(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """A statement left out, a value not returned: how a pause, a release or a check gets lost."""
    if not isinstance(node, cst.SimpleStatementLine):
        return
    if m.matches(node, m.SimpleStatementLine(body=[_EFFECTS])):
        yield node.with_changes(body=[cst.Pass()])
    elif m.matches(node, m.SimpleStatementLine(body=[m.Return(value=m.DoNotCare())])):
        statement = cst.ensure_type(node.body[0], cst.Return)
        if statement.value is not None and not m.matches(statement.value, m.Name("None")):
            yield node.with_changes(body=[cst.Return(value=cst.Name("None"))])


def _turned_condition(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    if isinstance(node, cst.If):
        inner = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        yield node.with_changes(test=cst.UnaryOperation(operator=cst.Not(), expression=inner))
