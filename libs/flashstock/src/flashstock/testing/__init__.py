"""The stock in memory, for tests; it holds to the contract of the one in DynamoDB."""

from flashstock.testing.dynamo import MemoryDynamo
from flashstock.testing.memory import MemoryTable, memory_stock
from flashstock.testing.sale import LEASE, FaultPlan, Sale

__all__ = ["LEASE", "FaultPlan", "MemoryDynamo", "MemoryTable", "Sale", "memory_stock"]
