"""The file system, told plainly: whole writes, removals, the lock of a folder."""
