"""The plan: what is to be run, on disk, as text that a person can read.

A plan folder holds `plan.json` (what it is, where outputs and runs go), `definitions.jsonl` (one line per job
or grid, parents before children), `folders.json` (what the groups hold, in order), `callables/` (functions
that travel by value) and `inputs/` (arguments that are not small text). How many files there are does not
depend on the points of a grid.
"""
