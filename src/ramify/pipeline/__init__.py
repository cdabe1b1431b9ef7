"""Pipelines of bash and Python tasks over files: a generator declares them, the engine runs them."""
