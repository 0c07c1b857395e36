"""Kedro's settings for this project; see `kedro.framework.project.settings` for all that can be set."""

from kedro_handover.session import CONFIG_LOADER_ARGS, HandoverSession

__all__ = ["CONFIG_LOADER_ARGS", "SESSION_CLASS"]

SESSION_CLASS = HandoverSession
