"""The price list: every figure with its unit and its source, exact as decimals."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

DEFAULT_PRICES = Path(__file__).with_name("prices.toml")


class PriceKey(StrEnum):
    """The figures that a price file must hold, by their key in it."""

    FARGATE_X86_VCPU = "fargate.x86_vcpu_hour"
    FARGATE_X86_GB = "fargate.x86_gb_hour"
    FARGATE_ARM_VCPU = "fargate.arm_vcpu_hour"
    FARGATE_ARM_GB = "fargate.arm_gb_hour"
    ALB = "alb.hour"
    ALB_LCU = "alb.lcu_hour"
    NAT = "vpc.nat_hour"
    NAT_GB = "vpc.nat_gb"
    PUBLIC_IPV4 = "vpc.public_ipv4_hour"
    SNS = "sns.million_requests"
    SQS = "sqs.million_requests"
    DYNAMODB_WRITES = "dynamodb.million_writes"
    DYNAMODB_READS = "dynamodb.million_reads"
    LAMBDA_REQUESTS = "lambda.million_requests"
    LAMBDA_X86 = "lambda.x86_gb_second"
    LAMBDA_ARM = "lambda.arm_gb_second"
    LOGS = "logs.gb"
    FARGATE_SPOT_SHARE = "fargate.spot_share"
    ENDPOINT = "vpc.endpoint_hour"
    ENDPOINT_GB = "vpc.endpoint_gb"
    TRAFFIC_OUT = "vpc.out_gb"
    DYNAMODB_STORAGE = "dynamodb.storage_gb_month"
    DYNAMODB_RECOVERY = "dynamodb.recovery_gb_month"
    ALARM = "cloudwatch.alarm_metric_month"
    METRIC = "cloudwatch.metric_month"
    KMS_KEY = "kms.key_month"
    KMS_REQUESTS = "kms.ten_thousand_requests"
    SECRET = "secretsmanager.secret_month"  # noqa: S105  # a key of the file
    ZONE = "route53.zone_month"
    IMAGES = "ecr.gb_month"
    WEB_ACL = "waf.acl_month"
    WEB_ACL_RULE = "waf.rule_month"
    WEB_ACL_REQUESTS = "waf.million_requests"


class FreeKey(StrEnum):
    """What is free each month, by its key in the price file."""

    SNS = "free.sns_requests"
    SQS = "free.sqs_requests"
    LAMBDA_REQUESTS = "free.lambda_requests"
    LAMBDA_GB_SECONDS = "free.lambda_gb_seconds"
    LOGS_GB = "free.logs_gb"


class PricesError(Exception):
    """The price file cannot be used; the message begins with the key at fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """One figure: `amount` in the file's currency per `unit`."""

    amount: Decimal
    unit: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """A whole price list; `price` and `free` hold every key."""

    as_of: date
    region: str
    currency: str
    price: Mapping[PriceKey, Price]
    free: Mapping[FreeKey, Decimal]


def load_prices(path: Path | None = None) -> Prices:
    """Read a price file, by default the one beside this module.

    Raises:
        PricesError: the file cannot be read, or a key is missing, unknown or of the wrong kind.
    """
    file = path or DEFAULT_PRICES
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as exc:
        raise PricesError(f"{file}: cannot be read: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise PricesError(f"{file}: is not TOML: {exc}") from exc
    return parse_prices(document)


def parse_prices(document: Mapping[str, object]) -> Prices:
    """Check a parsed price file; see `load_prices`."""
    _refuse_unknown(document)
    as_of = document.get("as_of")
    if not isinstance(as_of, date):
        raise PricesError("as_of: must be a date, such as 2026-03-31")
    return Prices(
        as_of=as_of,
        region=_text(document, "region"),
        currency=_text(document, "currency"),
        price={key: _price(document, key) for key in PriceKey},
        free={key: _number(_entry(document, key), f"{key}.amount", "amount") for key in FreeKey},
    )


def _price(document: Mapping[str, object], key: PriceKey) -> Price:
    entry = _entry(document, key)
    return Price(
        amount=_number(entry, f"{key}.price", "price"),
        unit=_text(entry, "unit", under=key),
        source=_text(entry, "source", under=key),
    )


def _entry(document: Mapping[str, object], key: str) -> Mapping[str, object]:
    section, name = key.split(".")
    table = document.get(section)
    entry = table.get(name) if isinstance(table, Mapping) else None
    if entry is None:
        raise PricesError(f"{key}: is missing")
    if not isinstance(entry, Mapping):
        raise PricesError(f"{key}: must be a table with its figure and its source")
    _text(entry, "source", under=key)
    return entry


def _number(entry: Mapping[str, object], key: str, name: str) -> Decimal:
    value = entry.get(name)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise PricesError(f"{key}: must be a number")
    number = Decimal(value)
    if not number.is_finite() or number < 0:
        raise PricesError(f"{key}: must be a finite number that is not negative")
    return number


def _text(table: Mapping[str, object], name: str, *, under: str = "") -> str:
    value = table.get(name)
    if not isinstance(value, str) or not value.strip():
        raise PricesError(f"{under}.{name}: must be a text" if under else f"{name}: must be a text")
    return value


def _refuse_unknown(document: Mapping[str, object]) -> None:
    known = {*PriceKey, *FreeKey}
    sections = {key.split(".")[0] for key in known}
    for section, table in document.items():
        if section in {"as_of", "region", "currency"}:
            continue
        if section not in sections:
            raise PricesError(f"{section}: is not a known key")
        if not isinstance(table, Mapping):
            raise PricesError(f"{section}: must be a table")
        for name in table:
            if f"{section}.{name}" not in known:
                raise PricesError(f"{section}.{name}: is not a known key")
