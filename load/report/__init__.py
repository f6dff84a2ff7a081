"""The report: one self-contained page, Markdown for those who hand in text, and results.json."""
