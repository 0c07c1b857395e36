"""The resolver that keeps an entry of the catalog to one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

if TYPE_CHECKING:
    from omegaconf import DictConfig


def dataset(kind: str, path: str, more: DictConfig | None = None, *, _root_: DictConfig) -> dict[str, Any]:
    """Resolve `${dataset:KIND,PATH}` to the configuration of a Kedro dataset.

    Args:
        kind: A key of `engine` in the environment's `globals.yml`, or of `_kinds` in the catalog.
        path: The file, below the storage root, in one of Kedro's layer folders (`02_intermediate/valid_rows.parquet`).
        more: What this one dataset has beyond its kind.
        _root_: The whole catalog, handed in by OmegaConf.

    Returns:
        The options of the kind, the `filepath`, unless the kind has one of its own or a `table_name` of a catalog or
        database, and the kedro-viz layer, which is the folder's name without its number unless `more` gives the
        dataset's `metadata`.

    Raises:
        ValueError: If the kind is unknown.
    """
    kinds, of_engine = _root_["_kinds"], _root_["_engine"]
    stated = [one[kind] for one in (kinds, of_engine) if kind in one]
    if not stated:
        msg = f"catalog: {path} is of an unknown kind, {kind!r}. Use one of {', '.join(sorted({*kinds, *of_engine}))}."
        raise ValueError(msg)
    layer = path.split("/", 1)[0].split("_", 1)[1]
    storage = _root_["_raw_storage" if layer == "raw" else "_storage"]
    # Each is resolved where it stands: an interpolation looks for what it names in the document that it is from.
    of_kind = OmegaConf.merge(*stated) if len(stated) > 1 else stated[0]
    options: Any = OmegaConf.to_container(of_kind, resolve=True)
    if more:
        options = OmegaConf.to_container(OmegaConf.merge(options, OmegaConf.to_container(more, resolve=True)))
    place = {} if "table_name" in options else {"filepath": f"{storage}/{path}"}
    return {"metadata": {"kedro-viz": {"layer": layer}}, **place, **options}
