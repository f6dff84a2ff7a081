"""`python -m order_processor`: settle queued orders until SIGTERM."""

import asyncio
import os
import sys

from flashops.command_line import load_settings
from flashops.logs import configure_logging
from flashops.metrics import process_registry
from flashops.streams import guard_standard_streams
from order_processor.app import run_processor
from order_processor.settings import ProcessorSettings


def main() -> None:
    """Run the processor; exit status 0 after a drain, 2 for a wrong setting."""
    streams = guard_standard_streams()
    settings = load_settings(
        ProcessorSettings,
        program="order_processor",
        description="Settles queued orders in a bounded number of slots.",
        argv=sys.argv[1:],
        environ=os.environ,
    )
    configure_logging(service="order-processor", level=settings.log_level, environment=settings.environment)
    registry = process_registry(lines_dropped=lambda: streams.dropped)
    asyncio.run(run_processor(settings, registry=registry))


if __name__ == "__main__":
    main()
