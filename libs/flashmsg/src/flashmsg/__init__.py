"""Typed messages of the flash-sale order path and their codec."""
