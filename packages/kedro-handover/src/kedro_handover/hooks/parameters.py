"""Parameters are checked before anything runs: names, values, the project's own, the model that is released."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from kedro.framework import project as kedro_project
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines as registered
from kedro.validation import ParameterValidationError

from kedro_handover._compat import read_conf_files
from kedro_handover.errors import H2OError, suggest
from kedro_handover.hooks.base import PROJECT, PROJECT_FILE, ProjectHooks, load_project, shorten_path
from kedro_handover.models.registry import HANDED_OVER, PRODUCTION_MODELS
from kedro_handover.nodes.production_parameters import SparkProductionParameters
from kedro_handover.spark.h2o import check_version, is_installed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

logger = logging.getLogger(__name__)

PARAMETER = "params:"

RUNTIME_PARAMETER = re.compile(r"\$\{runtime_params:\s*([^,}.\s]+)")
"""How conf takes a value of --params that is no parameter of a pipeline."""


class ParameterHooks(ProjectHooks):
    """Checks what Kedro itself does not: it validates the blocks that nodes take, and passes over a misspelt one."""

    def __init__(self) -> None:
        super().__init__()
        self._loader: Any = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keep the loader of the configuration, in whose files a misspelt name stands.

        Args:
            context: The project's context.
        """
        super().after_context_created(context)
        self._loader = context.config_loader

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
        """Refuse wrong parameters.

        Args:
            pipeline: What is about to run.
            catalog: The catalog of the run; it holds each parameter as `params:<name>`.

        Raises:
            ParameterValidationError: If no pipeline has a parameter of a name that is set in a file or by --params, no
                file sets one that the run takes, or `project.yml` names a dataset that is not in the catalog.
            H2OError: If H2O's model is to be released and H2O is not installed, or it was made for another Spark.
        """
        if not self._is_active:
            return
        self._check_project(catalog)
        self._check_are_set(pipeline, catalog)
        self._check_names(name for name in catalog if name.startswith(PARAMETER))
        self._check_h2o(pipeline, catalog)

    def _check_project(self, catalog: CatalogProtocol[Any, Any]) -> None:
        try:
            project = load_project(catalog)
        except ValueError as error:
            raise ParameterValidationError(str(error)) from error
        if project is None:
            msg = f"{PROJECT_FILE} says nothing of the project: it needs a block `project`, with task, id and raw."
            raise ParameterValidationError(msg)
        if project.raw.dataset not in self._conf_catalog:
            msg = (
                f"in {PROJECT_FILE}, project.raw.dataset: the catalog has no {project.raw.dataset!r}. "
                f"{suggest(project.raw.dataset, self._conf_catalog)}"
            )
            raise ParameterValidationError(msg)

    @staticmethod
    def _check_are_set(pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
        taken = {name for name in pipeline.inputs() if name.startswith(PARAMETER) and name != PROJECT}
        if missing := sorted({_block(name) for name in taken if name not in catalog}):
            msg = (
                f"the run takes the parameters {', '.join(missing)}, and no file sets them. Put them into a file of "
                f"conf/base, such as parameters_{missing[0]}.yml."
            )
            raise ParameterValidationError(msg)

    def _check_names(self, names: Iterable[str]) -> None:
        taken = (name for made in registered.values() for name in made.inputs() if name.startswith(PARAMETER))
        known = {_block(PROJECT), *map(_block, taken)}
        if not (unknown := {_block(name) for name in names} - known):
            return
        conf = {path: content.decode() for path, content in read_conf_files(self._loader).items()}
        known |= {name for text in conf.values() for name in RUNTIME_PARAMETER.findall(text)}
        for name in sorted(unknown - known):
            block = re.compile(rf"^(['\"]?){re.escape(name)}\1\s*:", re.MULTILINE)
            files = [shorten_path(path) for path, text in conf.items() if block.search(text)]
            msg = f"{', '.join(files) or '--params'}: no pipeline has a parameter {name!r}. {suggest(name, known)}"
            raise ParameterValidationError(msg)

    @staticmethod
    def _check_h2o(pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
        """Check that H2O is there where it is asked for, and say that it is not where its model may be missed."""
        outputs = pipeline.all_outputs()
        releases = "release@manifest" in outputs
        if not releases and not outputs & {f"{name}_model" for name in PRODUCTION_MODELS if name != HANDED_OVER}:
            return
        if is_installed():
            check_version()
            return
        package = kedro_project.PACKAGE_NAME
        logger.info("H2O is not installed, so its tree is left out. To add it, install %s with its extra h2o.", package)
        block = SparkProductionParameters.block
        parameters = f"{PARAMETER}{block}"
        if releases and parameters in catalog:
            released = catalog.load(parameters).released_model
            if PRODUCTION_MODELS[released].needs_h2o:
                msg = (
                    f"{block}.released_model is {released}, and H2O is not installed. Install {package} with its extra "
                    "h2o."
                )
                raise H2OError(msg)


def _block(name: str) -> str:
    """Give the top-level name of `params:block.key`."""
    return name.removeprefix(PARAMETER).split(".")[0]


hooks = ParameterHooks()
"""What Kedro registers by an entry point `kedro.hooks`."""
