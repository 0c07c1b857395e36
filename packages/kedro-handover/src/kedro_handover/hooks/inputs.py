"""Inputs are looked at before anything runs: what is missing, empty or a link that leads nowhere, and how to get it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines as registered
from kedro.io import DatasetError

from kedro_handover.errors import ConfigurationError, suggest
from kedro_handover.hooks.base import ProjectHooks, is_local, load_project, shorten_path
from kedro_handover.main import name_command

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node

    from kedro_handover.project import ProjectSpec


class InputHooks(ProjectHooks):
    """Refuses a run whose inputs are not there, with the command or the words that get them."""

    def __init__(self) -> None:
        super().__init__()
        self._env: str | None = None
        self._versions: dict[str, str] = {}

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keep the environment, which the command names that makes an input.

        Args:
            context: The project's context.
        """
        super().after_context_created(context)
        self._env = context.env

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Refuse a run that starts from what is not there. The file systems are asked, and no Spark starts for it.

        Args:
            run_params: How the run was started; `load_versions` are the versions that are asked for, by dataset.
            pipeline: What is about to run.
            catalog: The catalog of the run.

        Raises:
            ConfigurationError: If a version is asked for of a dataset that has none; Kedro would load what is there.
            DatasetError: If an input is missing, an empty file, or a link that leads nowhere, or has no such version.
        """
        if not self._is_active:
            return
        self._versions = run_params["load_versions"] or {}
        versioned = {name for name, config in self._conf_catalog.items() if config.get("versioned")}
        for name in sorted(self._versions.keys() - versioned):
            msg = f"--load-versions: {name} has no versions. {suggest(name, versioned)}"
            raise ConfigurationError(msg)
        self._check_memory(pipeline, catalog)
        project = load_project(catalog)
        for name in sorted(pipeline.inputs() & self._conf_catalog.keys()):
            path = self._get_path(name)
            if is_local(path):
                self._check_local(name, path, project)
            elif not catalog.exists(name):
                raise DatasetError(self._say_missing(name, path, project))

    @staticmethod
    def _check_memory(pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
        """Refuse a run that starts from what is kept in memory alone: the nodes that make it have to run as well."""
        made = {name: node for one in registered.values() for node in one.nodes for name in node.outputs}
        missing: dict[str, Node] = {}
        waiting = sorted(name for name in pipeline.inputs() if name not in catalog)
        while waiting:
            name = waiting.pop()
            if name not in made:
                msg = f"{name} is not in the catalog, so it is not kept between runs. No node makes it: name it there."
                raise ConfigurationError(msg)
            missing[name] = made[name]
            waiting += [more for more in made[name].inputs if more not in catalog and more not in missing]
        if missing:
            names = ", ".join(sorted(missing))
            are = "is not in the catalog, so it is" if len(missing) == 1 else "are not in the catalog, so they are"
            nodes = ", ".join(sorted({node.name for node in missing.values()}))
            msg = f"{names} {are} not kept between runs. Run {nodes} as well."
            raise ConfigurationError(msg)

    def _check_local(self, name: str, path: str, project: ProjectSpec | None) -> None:
        if not path:  # a dataset that is no file: its own load will tell
            return
        place = Path(path)
        if place.is_symlink() and not place.exists():
            msg = f"{name}: {shorten_path(path)} is a link that leads nowhere, or in a circle. Fix it."
            raise DatasetError(msg)
        if not place.exists():
            raise DatasetError(self._say_missing(name, path, project))
        if place.is_file() and place.stat().st_size == 0:
            how = self._say_how_to_get(name, path, project)
            msg = f"{name}: {shorten_path(path)} is an empty file. Remove it. {how}"
            raise DatasetError(msg)
        version = self._versions.get(name)
        if version is not None and not (place / version).exists():
            there = [folder.name for folder in place.iterdir()]
            msg = f"--load-versions: {name} has no version {version!r}. {suggest(version, there)}"
            raise DatasetError(msg)

    def _say_missing(self, name: str, path: str, project: ProjectSpec | None) -> str:
        return f"{name}: there is no {shorten_path(path)}. {self._say_how_to_get(name, path, project)}"

    def _say_how_to_get(self, name: str, path: str, project: ProjectSpec | None) -> str:
        if project is not None and name == project.raw.dataset:
            return project.raw.say_how_to_get(Path(path).name).replace("{command}", name_command())
        dataset = _strip_transcoding(name)
        makers = sorted(
            key
            for key, made in registered.items()
            if key != "__default__" and dataset in map(_strip_transcoding, made.all_outputs())
        )
        if not makers:
            return "No pipeline makes it: put it there."
        return f"Run `{name_command(self._env)} --pipelines={makers[0]}` to make it."


def _strip_transcoding(name: str) -> str:
    return name.partition("@")[0]


hooks = InputHooks()
"""What Kedro registers by an entry point `kedro.hooks`."""
