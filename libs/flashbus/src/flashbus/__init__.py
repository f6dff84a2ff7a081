"""SNS and SQS for asyncio services: a group-commit publisher, a bounded consumer, AWS clients.

Import from the modules: a function that starts cold pays only for what it uses.
"""
