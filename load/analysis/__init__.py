"""What the records say: timeline, figures, series, predictions beside them, and the checks."""
