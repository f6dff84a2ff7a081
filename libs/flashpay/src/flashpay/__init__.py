"""Settle an order: claim it in the ledger, charge the gateway, record the answer."""
