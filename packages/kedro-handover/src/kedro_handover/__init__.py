"""Hand a researched model over to production exactly, and prove it."""

__version__ = "0.1.0"
