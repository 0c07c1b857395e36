"""The base of every pipeline's parameters: how a wrong name or value in a file of parameters is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from kedro_handover.errors import suggest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class Group(BaseModel):
    """Parameters that belong together: other names than the class has are refused, and numbers that JSON can't hold."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Parameters(Group):
    """Parameters of one pipeline, in the block and file of its name.

    Kedro makes an instance of the class that a node's argument is hinted with, before anything runs.
    """

    block: ClassVar[str | None] = None
    """Where they stand, such as `data_engineering.split`; if none is given, in the block named like the pipeline."""

    file: ClassVar[str | None] = None
    """The file of the block, where it is not `parameters_<block>.yml`."""

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Check a block of parameters.

        Args:
            obj: The block, as configured.
            options: The other arguments of pydantic's method.

        Returns:
            The checked parameters.

        Raises:
            ValueError: For a wrong name or value; the message gives the file, the key, what is wrong and the value.
        """
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            block = cls.block or cls.__module__.split(".")[-2]  # <package>.pipelines.<block>.parameters
            problems = [
                f"{'.'.join((block, *_place(problem)))}: {problem['msg']}{_say_more(cls, problem)}"
                for problem in error.errors()
            ]
            file = cls.file or f"parameters_{block.split('.')[0]}.yml"
            msg = f"in {file} or --params, {'; '.join(problems)}"
            msg = msg if msg.endswith((".", "?")) else f"{msg}."
            raise ValueError(msg) from error


def _place(problem: ErrorDetails) -> list[str]:
    """Give the keys that lead to a wrong value, without the tags of a union, which no file has."""
    return [str(part) for part in problem["loc"] if not str(part).startswith("<")]


def _say_more(model: type[BaseModel], problem: ErrorDetails) -> str:
    """Say which key may be meant by one that is not there, and what a wrong value is."""
    if problem["type"] == "missing":
        return ""
    if problem["type"] != "extra_forbidden":
        return f"; it is {problem['input']!r}"
    *path, name = _place(problem)
    group: type[BaseModel] | None = model
    for key in path:
        field = group.model_fields.get(str(key)) if group else None
        group = _find_group(field.annotation) if field else group  # a key of a dict or a list is no field
    return f". {suggest(str(name), group.model_fields)}" if group else ""


def _find_group(annotation: Any) -> type[BaseModel] | None:
    """Find the group in a type such as `Group`, `Group | None` or `dict[str, Group]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_find_group, get_args(annotation))), None)
