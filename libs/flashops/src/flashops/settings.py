"""Settings read once from the environment, frozen, and errors that name the variable."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationError
from pydantic.fields import FieldInfo

from flashops.connections import ConnectionLimits

LogLevel = Literal["debug", "info", "warning", "error"]


class SettingsError(Exception):
    """One or more environment variables are missing or wrong.

    Attributes:
        problems: One sentence each, starting with the name of the variable.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Makes a field a duration that the environment gives as a number of seconds, bounded in seconds.

    `lease: Annotated[timedelta, Seconds(gt=0)]` is read from `LEASE_SECONDS`.

    Attributes:
        gt: The duration must be longer.
        ge: It must be at least this long.
        le: It must be at most this long.
        whole: Only whole seconds are meant, as of SQS.
    """

    gt: float | None = None
    ge: float | None = None
    le: float | None = None
    whole: bool = False

    def __get_pydantic_core_schema__(self, _source: type[Any], handler: GetCoreSchemaHandler) -> object:
        """Check the number, then make a duration of it."""
        bounds = Field(gt=self.gt, ge=self.ge, le=self.le)
        if self.whole:
            return handler.generate_schema(Annotated[int, bounds, AfterValidator(_duration)])
        return handler.generate_schema(Annotated[float, bounds, Field(allow_inf_nan=False), AfterValidator(_duration)])


def _duration(seconds: float) -> timedelta:
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError("is longer than any duration") from None


class ServiceSettings(BaseModel):
    """Base of a service's settings: field `orders_table` is read from `ORDERS_TABLE`, a duration from `…_SECONDS`.

    Fields carry a `description`: `--help` prints it. Secrets are `SecretStr`. A check over
    several fields belongs in a model validator whose message names the variables.

    Attributes:
        old_variables: The present variable of each old spelling that is still read.
    """

    old_variables: ClassVar[Mapping[str, str]] = {}

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    host: str = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one")
    log_level: LogLevel = Field(default="info", description="debug, info, warning or error")
    environment: str = Field(default="local", description="Name of the deployment, written in every log line")
    max_connections: int = Field(
        default=4096, ge=1, le=100_000, description="Most connections open at once on a port; one more gets 503"
    )
    head_timeout: Annotated[timedelta, Seconds(gt=0, le=75)] = Field(
        default=timedelta(seconds=10),
        description="Most the head of a request may take to arrive, silence before it included",
    )

    @property
    def connection_limits(self) -> ConnectionLimits:
        """What each port of the service allows."""
        return ConnectionLimits(most=self.max_connections, head_timeout=self.head_timeout)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read every field from `environ`; an empty string counts as unset.

        Raises:
            SettingsError: Names each missing or invalid variable, never its value.
        """
        variables = cls.variables(environ)
        given = {name: environ.get(variable, "").strip() for name, variable in variables.items()}
        try:
            return cls.model_validate({name: value for name, value in given.items() if value})
        except ValidationError as exc:
            raise SettingsError(tuple(_sentences(exc, variables))) from None

    @classmethod
    def old_variables_in(cls, environ: Mapping[str, str]) -> dict[str, str]:
        """The old spellings that `environ` sets, each with its present one: what the start of a service logs."""
        return {old: present for old, present in cls.old_variables.items() if environ.get(old, "").strip()}

    @classmethod
    def variables(cls, environ: Mapping[str, str]) -> dict[str, str]:
        """The variable that each field is read from: its old spelling where `environ` sets that.

        The old one goes first because an image sets the present one as a default: a value under the old name is
        what somebody chose for this deployment.
        """
        old = {present: old for old, present in cls.old_variables_in(environ).items()}
        named = {name: _variable(name, field) for name, field in cls.model_fields.items()}
        return {name: old.get(variable, variable) for name, variable in named.items()}


def default_text(field: FieldInfo) -> str:
    """The default of a setting as its variable would spell it; empty when there is none."""
    default = field.default
    if field.is_required() or default is None:
        return ""
    if isinstance(default, timedelta):
        return f"{default.total_seconds():g}"
    return str(default).lower() if isinstance(default, bool) else str(default)


def _variable(name: str, field: FieldInfo) -> str:
    of_seconds = any(isinstance(each, Seconds) for each in field.metadata)
    return f"{name}_seconds".upper() if of_seconds else name.upper()


def _sentences(error: ValidationError, variables: Mapping[str, str]) -> list[str]:
    sentences = []
    for problem in error.errors(include_url=False, include_input=False):
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "missing":
            message = "is required"
        variable = variables[str(problem["loc"][0])] if problem["loc"] else ""
        sentences.append(f"{variable}: {message}" if variable else message)
    return sentences
