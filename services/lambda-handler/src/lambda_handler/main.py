"""`lambda_handler.main.handler`: the entry point that Lambda imports.

Everything is opened while this module is imported, in Lambda's initialisation phase, and kept for the life of the
environment. The first invocation logs `{"event":"cold_start","init_seconds":...}`: from the start of the process
until this module was ready; under SnapStart, what the environment did after its restore. Each record logs one
`record_consumed` line. Both go to the function's log group, on AWS and in the emulator: read them with CloudWatch
Logs' FilterLogEvents on `/aws/lambda/<FunctionName>` and the pattern `"cold_start"`.
"""

import atexit
import os

from lambda_handler.app import open_consumer
from lambda_handler.cold_start import call_after_restore, is_snapshot
from lambda_handler.function import Function
from lambda_handler.json_log import JsonLog
from lambda_handler.settings import Settings

_log = JsonLog()
handler = Function(
    open_consumer(Settings.from_environment(os.environ), log=_log),
    log=_log,
    from_snapshot=is_snapshot(os.environ),
)
call_after_restore(handler.restored)
atexit.register(handler.close)
