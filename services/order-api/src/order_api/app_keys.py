"""Where handlers find what they need."""

from aiohttp import web

from flashbus.publisher import GroupCommitPublisher
from flashpay import Canceller
from order_api.intake import Intake
from order_api.limited_sale import LimitedSale
from order_api.metrics import Metrics
from order_api.order_book import OrderBook
from order_api.product_listing import ProductListing
from order_api.retry_after import RetryAfter
from order_api.settings import Settings
from order_api.settlement_limiter import SettlementLimiter

SETTINGS = web.AppKey("settings", Settings)
INTAKE = web.AppKey("intake", Intake)
PUBLISHER = web.AppKey("publisher", GroupCommitPublisher)
SETTLEMENT_LIMITER = web.AppKey("settlement_limiter", SettlementLimiter)
CANCELLER = web.AppKey("canceller", Canceller)
BOOK = web.AppKey("book", OrderBook)
SALE = web.AppKey("sale", LimitedSale)
LISTING = web.AppKey("listing", ProductListing)
RETRY_AFTER = web.AppKey("retry_after", RetryAfter)
METRICS = web.AppKey("metrics", Metrics)
OPENAPI = web.AppKey("openapi", bytes)
