"""One attempt of one job: load, call, capture, store, report; a worker process's main; the fork template."""
