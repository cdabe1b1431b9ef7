"""The pure heart: an append-only graph of keyed nodes and the fold of what happened to them.

Nothing here reads a clock, starts a thread, touches a disk or writes a log. Times are passed in, consequences
are lists that the driver takes. Nodes are small integers, keys and digests are strings; functions and values
hang in the driver's tables.

- `keys`: what may name a node.
- `table`: the states and the steps between them; everything that affects a transition stands there.
- `graph`: nodes and edges, as columns.
- `engine`: one method per event; each looks its step up, changes the columns and appends to the log.
- `replay`: the log folded back, by the same methods.
- `views`: counts, stories and explanations, for people.
"""
