"""Where the outputs of a run live: one back end per file, each fulfils `ramify.ports.Store`."""
