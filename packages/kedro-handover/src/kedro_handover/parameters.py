"""The base of every pipeline's parameters: how a wrong name or value in a file of parameters is answered."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError


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
                f"{'.'.join(map(str, (block, *problem['loc'])))}: {problem['msg']}"
                + (f"; it is {problem['input']!r}" if problem["type"] != "missing" else "")
                for problem in error.errors()
            ]
            file = cls.file or f"parameters_{block.split('.')[0]}.yml"
            msg = f"in {file} or --params, {'; '.join(problems)}."
            raise ValueError(msg) from error
