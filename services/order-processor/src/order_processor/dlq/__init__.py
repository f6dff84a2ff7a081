"""`python -m order_processor.dlq`: look at what failed for good, send it back, or let it go."""
