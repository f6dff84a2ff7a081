"""The AWS resources of the stack, one module per concern."""
