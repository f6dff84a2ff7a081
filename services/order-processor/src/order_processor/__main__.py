"""`python -m order_processor`: settle queued orders until SIGTERM."""

import asyncio
import os
import sys

from flashops.command_line import load_settings
from flashops.logs import configure_logging
from order_processor.app import run_processor
from order_processor.settings import ProcessorSettings


def main() -> None:
    """Run the processor; exit status 0 after a drain, 2 for a wrong setting."""
    settings = load_settings(
        ProcessorSettings,
        program="order_processor",
        description="Settles queued orders in a bounded number of slots.",
        argv=sys.argv[1:],
        environ=os.environ,
    )
    configure_logging(service="order-processor", level=settings.log_level, environment=settings.environment)
    asyncio.run(run_processor(settings))


if __name__ == "__main__":
    main()
