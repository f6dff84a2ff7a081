"""`python -m order_processor.reconcile`: bring on the orders that nobody works on any more."""
