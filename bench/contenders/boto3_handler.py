"""The baseline of row 10: the function's own modules, over a client of boto3."""

import os
import sys

# Appended, so that nothing but what is missing here comes from there.
sys.path.append(os.environ["BOTO3_PATH"])

import boto3  # type: ignore[import-not-found]

from flashpay import DynamoLedger, HttpGateway, Settler
from lambda_handler.consumer import BatchConsumer
from lambda_handler.function import Function
from lambda_handler.json_log import JsonLog
from lambda_handler.record_settler import RecordSettler
from lambda_handler.settings import Settings

PARTS = (DynamoLedger, HttpGateway, Settler, BatchConsumer, Function, RecordSettler)
settings = Settings.from_environment(os.environ)
client = boto3.client("dynamodb", region_name=settings.region)
log = JsonLog()
