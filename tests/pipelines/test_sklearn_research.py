"""The parameters of the research are good, and its report shows every figure."""

from omegaconf import OmegaConf

from conftest import PROJECT
from kedro_handover.nodes.research_parameters import SklearnResearchParameters
from premises.pipelines.sklearn_research import create_pipeline, create_scoring_pipeline
from premises.pipelines.sklearn_research.pipeline import FIGURES


def test_the_parameters_of_the_project_are_good() -> None:
    conf = OmegaConf.load(PROJECT / "conf" / "base" / "parameters_sklearn_research.yml")
    found = SklearnResearchParameters.model_validate(OmegaConf.to_container(conf)["sklearn_research"])
    assert found.research_rows is None
    assert found.candidates.grids["decision_tree"]["min_samples_leaf"] == [25, 50, 100, 200]


def test_the_report_shows_every_figure_that_the_pipeline_makes() -> None:
    nodes = {node.name: node for node in create_pipeline().nodes}
    made = {output for name, node in nodes.items() if name.startswith("plot_") for output in node.outputs}
    assert made == {f"research_{figure}" for figure in FIGURES}
    assert made < set(nodes["render_research_report"].inputs)


def test_scoring_needs_the_model_and_the_features_alone() -> None:
    needed = {name for name in create_scoring_pipeline().inputs() if not name.startswith("params:")}
    assert needed == {"research_model", "features"}
