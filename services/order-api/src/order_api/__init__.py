"""The shop's HTTP intake: validate, price, publish, answer 202; or settle in the request."""

from order_api.app import create_app
from order_api.settings import Settings

__all__ = ["Settings", "create_app"]
