"""The session and the registry of a project."""

from __future__ import annotations

import pytest
from kedro.pipeline import Node, Pipeline

from kedro_handover.errors import ConfigurationError
from kedro_handover.pipelines import build_registry
from kedro_handover.session import check_platform


def keep(*tables):
    return tables


def make(*nodes: tuple[list[str], list[str]]) -> Pipeline:
    return Pipeline([Node(keep, inputs, outputs, name=f"make_{outputs[0]}") for inputs, outputs in nodes])


def test_a_registry_has_each_pipeline_as_a_box_and_the_whole_story_as_default() -> None:
    story = {
        "shop": make((["file"], ["orders"]), (["orders"], ["features"]), (["orders"], ["extra"])),
        "research": make((["features"], ["model"]), (["features", "model"], ["predictions"])),
    }
    scoring = {"scoring": ("research", make((["model", "features"], ["scores"])))}
    registry = build_registry(story, scoring)
    names = {name: [node.name for node in made.nodes] for name, made in registry.items()}
    assert sorted(names) == ["__default__", "research", "scoring", "shop"]
    assert sorted(names["shop"]) == ["shop.make_extra", "shop.make_features", "shop.make_orders"]
    assert names["research"] == ["research.make_model", "research.make_predictions"]
    assert names["scoring"] == ["shop.make_orders", "shop.make_features", "research.make_scores"]
    assert sorted(names["__default__"]) == sorted([*names["shop"], *names["research"]])
    assert registry["scoring"].inputs() == {"file", "model"}
    assert {node.namespace for node in registry["scoring"].nodes} == {"shop", "research"}


def test_a_system_without_a_way_to_run_spark_is_refused_in_a_sentence() -> None:
    check_platform("linux")
    check_platform("darwin")
    with pytest.raises(ConfigurationError, match="On Windows, use it in WSL"):
        check_platform("win32")
