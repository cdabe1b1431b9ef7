"""A process that runs a pipeline of a module beside it: `python flow_driver.py MODULE:GENERATOR INSTANCE`."""

import sys
from importlib import import_module

from ramify import DAGExecutionError
from ramify.pipeline.flow import run_pipeline

if __name__ == "__main__":
    module, _, name = sys.argv[1].partition(":")
    options = dict.fromkeys(sys.argv[3:], True)
    try:
        run_pipeline(getattr(import_module(module), name), sys.argv[2], jobs=2, **options)
    except DAGExecutionError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
