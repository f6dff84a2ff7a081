"""The laboratory: experiment, analysis, report."""
