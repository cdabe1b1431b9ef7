"""What people see: progress, status, failures and values, as folds over what was written down.

Nothing here drives a run, and nothing here unpickles.
"""
