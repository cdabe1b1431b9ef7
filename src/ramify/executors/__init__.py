"""Executors: who carries out attempts, one back end per file, all by the contract in `ramify.ports`."""
