"""What every service has: settings, logs, metrics, health, lifecycle, AWS sessions."""
