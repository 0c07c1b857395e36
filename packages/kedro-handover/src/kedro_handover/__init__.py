"""Hand a researched model over to production exactly, and prove it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kedro_handover.handover.handed import HandedOver, hand_over, load

__all__ = ["HandedOver", "hand_over", "load"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import the hand-over when it is first asked for: most of the library does without it."""
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from kedro_handover.handover import handed

    return getattr(handed, name)
