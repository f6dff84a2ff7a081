"""A small signed client for the few AWS calls of the hot paths; aiobotocore makes every other one.

Why there are two: docs/decisions/0050-a-signed-client-for-the-hot-paths.md.
"""
