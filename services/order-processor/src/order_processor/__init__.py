"""Settles queued orders in a bounded number of slots."""
