"""The stock in memory, for tests; it holds to the contract of the one in DynamoDB."""

from flashstock.testing.memory import MemoryTable, memory_stock

__all__ = ["MemoryTable", "memory_stock"]
