"""What the tests of fingerprints share."""

from edited_projects import folder

__all__ = ["folder"]
