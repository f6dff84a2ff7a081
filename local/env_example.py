"""`.env.example`, written from the settings themselves: `python -m local.env_example > .env.example`."""

import sys
from collections.abc import Mapping

from pydantic import SecretStr
from pydantic.fields import FieldInfo

import order_api.settings
import order_processor.reconcile.settings
import order_processor.settings
import payment_gateway.settings
from flashops.settings import ServiceSettings, default_text

SERVICES: Mapping[str, type[ServiceSettings]] = {
    "order-api": order_api.settings.Settings,
    "order-processor": order_processor.settings.Settings,
    "order-reconciler": order_processor.reconcile.settings.Settings,
    "payment-gateway": payment_gateway.settings.Settings,
}
HEAD = """\
# Every setting of every service. An empty variable counts as unset; a commented one shows its default.
# `make up`, `make demo` and the template set what is required; this file is for running a service by hand.

# --- every service: the account, as any AWS SDK reads it
# AWS_ENDPOINT_URL=http://127.0.0.1:4566
# AWS_REGION=us-east-1
# AWS_ACCESS_KEY_ID=
# AWS_SECRET_ACCESS_KEY=
"""
TAIL = """
# --- lambda-handler: ORDERS_TABLE, STOCK_TABLE, GATEWAY_URL, PAYMENT_TIMEOUT_SECONDS, LEASE_SECONDS,
# GATEWAY_KEY_WINDOW_SECONDS, DEAD_LETTER_QUEUE_URL, MAX_RECEIVES, OUTCOMES_TOPIC_ARN and ORDER_RETENTION_DAYS as above

# --- python -m order_processor.dlq: QUEUE_URL, DEAD_LETTER_QUEUE_URL and ORDERS_TOPIC_ARN as above, to discard
# ORDERS_TABLE, STOCK_TABLE, OUTCOMES_TOPIC_ARN and ORDER_RETENTION_DAYS too, and
# SUBSCRIPTION_DEAD_LETTER_QUEUE_URL=
# FUNCTION_FAILURE_QUEUE_URL=

# --- the laptop
# the embedded AWS's executable, when it is not the one that `make install` made
# FLASH_EMULATOR=
# FLASH_EMULATOR_LOG_LEVEL=WARNING
"""


def env_example() -> str:
    """The whole file: a section a service, a comment and a line a setting."""
    sections = [HEAD]
    for service, settings in SERVICES.items():
        lines = [f"\n# --- {service}"]
        variables = settings.variables({})
        for name, field in settings.model_fields.items():
            lines += [f"# {field.description}", _assignment(variables[name], field)]
        sections.append("\n".join(lines) + "\n")
    return "".join(sections) + TAIL


def _assignment(variable: str, field: FieldInfo) -> str:
    if field.is_required():
        secret = field.annotation is SecretStr
        return f"{variable}={'change-me-to-32-or-more-random-bytes' if secret else ''}"
    return f"# {variable}={default_text(field)}"


if __name__ == "__main__":
    sys.stdout.write(env_example())
