"""Where handlers find what they need."""

from datetime import timedelta

from aiohttp import web

from flashbus.publisher import GroupCommitPublisher
from flashpay import Ledger
from order_api.intake import Intake
from order_api.metrics import Metrics
from order_api.settings import Settings
from order_api.sync_desk import SyncDesk

SETTINGS = web.AppKey("settings", Settings)
INTAKE = web.AppKey("intake", Intake)
PUBLISHER = web.AppKey("publisher", GroupCommitPublisher)
DESK = web.AppKey("desk", SyncDesk)
LEDGER: web.AppKey[Ledger] = web.AppKey("ledger")
METRICS = web.AppKey("metrics", Metrics)
OPENAPI = web.AppKey("openapi", bytes)

# How long a client is asked to stay away when a part of ours does not answer.
RETRY_SOON = timedelta(seconds=1)
