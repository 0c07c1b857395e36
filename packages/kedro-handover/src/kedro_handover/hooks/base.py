"""What all hooks share: whose project it is, where its datasets lie, and how paths are told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.config import OmegaConfigLoader
from kedro.framework.hooks import hook_impl

from kedro_handover._compat import has_conf_file
from kedro_handover.project import ProjectSpec

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol

PROJECT_FILE = "project.yml"
PROJECT = "params:project"


class ProjectHooks:
    """The base of hooks that act in projects with a `conf/base/project.yml`: Kedro registers them for all projects."""

    def __init__(self) -> None:
        self._is_active = False
        self._conf_catalog: dict[str, Any] = {}

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Find out whether the project is one of this library.

        Args:
            context: The project's context.
        """
        loader = context.config_loader
        self._is_active = isinstance(loader, OmegaConfigLoader) and has_conf_file(loader, PROJECT_FILE)
        self._conf_catalog = {}

    @hook_impl
    def after_catalog_created(self, conf_catalog: dict[str, Any]) -> None:
        """Keep the catalog's configuration, which knows where datasets lie.

        Args:
            conf_catalog: The configuration, by dataset.
        """
        self._conf_catalog = conf_catalog

    def _get_path(self, name: str) -> str:
        """Give the path of a dataset; empty where it has none."""
        return str(self._conf_catalog.get(name, {}).get("filepath", ""))


def load_project(catalog: CatalogProtocol[Any, Any]) -> ProjectSpec | None:
    """Give what the project says of itself; None where it says nothing.

    Args:
        catalog: The catalog of a run; it has the project checked only where a node of the run takes it.
    """
    if PROJECT not in catalog:
        return None
    found = catalog.load(PROJECT)
    return found if isinstance(found, ProjectSpec) else ProjectSpec.model_validate(found)


def is_local(path: str) -> bool:
    """Say whether a path is one of this machine's.

    Args:
        path: A path, or a URL.
    """
    return "://" not in path


def shorten_path(path: str) -> str:
    """Give a path as a person would type it from here.

    Args:
        path: A path, or a URL.
    """
    return str(Path(path).relative_to(Path.cwd())) if Path(path).is_relative_to(Path.cwd()) else path
