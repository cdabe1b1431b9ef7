"""Runs: the driver, what it writes down, and what reads that back."""
