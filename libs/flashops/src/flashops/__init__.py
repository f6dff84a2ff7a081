"""What every service has: settings, logs, metrics, health, lifecycle.

Import from the modules: a function that starts cold pays only for what it uses.
"""
