"""What a project says of itself in `conf/base/project.yml`: its task, its words, its credit.

Nodes take it as `params:project`, so that pages and messages speak of the project's own rows, and the code of none.
"""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from kedro_handover.errors import ConfigurationError
from kedro_handover.parameters import Group, Parameters
from kedro_handover.tasks import Task, name_outcome

SEVERAL = 3
"""Of so many classes on, a task is multiclass."""

PUT_IT_THERE = "Put your file there."


class RawTable(Group):
    """The table that a project starts from.

    Attributes:
        dataset: Its name in the catalog.
        how_to_get: What a person does who has no such file, by the name of the file, or by that of the dataset for all
            other files; `{command}` stands for the command that runs pipelines. One text is meant for all files.
    """

    dataset: str
    how_to_get: str | dict[str, str] = PUT_IT_THERE

    def say_how_to_get(self, file: str) -> str:
        """Say what a person does who has no such file.

        Args:
            file: The name of the file that is missing.

        Returns:
            The project's words for it; `{command}` stands in them as it does in the file.
        """
        if isinstance(self.how_to_get, str):
            return self.how_to_get
        return self.how_to_get.get(file, self.how_to_get.get(self.dataset, PUT_IT_THERE))


class Words(Group):
    """How a project calls its things, for what people read.

    Attributes:
        row: What one row is of, after "a" or "one".
        rows: The same, of several.
        positive: What rows of the positive class are.
        negative: What rows of the negative class are.
        classes: What rows of each class are, of a multiclass task: the first is class 0 in tables, the next 1, …
        value: What a regression predicts, such as a price; with its unit, if it has one.
        question: What the model answers; the heading of its report.
        group: What reports compare rows by; the values of the column `group` are told after it.
        unknown: What rows without a label are.
    """

    row: str = "row"
    rows: str = "rows"
    positive: str = "positive"
    negative: str = "negative"
    classes: list[str] = Field(default_factory=list)
    value: str = "value"
    question: str = "Is a row positive?"
    group: str = "group"
    unknown: str = "without a label"


class ProjectSpec(Parameters):
    """A project as `conf/base/project.yml` describes it.

    Attributes:
        task: What is predicted: `binary`, one of two classes; `multiclass`, one of several; `regression`, a number.
        id: The column of the valid rows that tells them apart, called `id` from the features on.
        raw: The table that everything starts from.
        words: How people call rows and classes.
        credit: Whose data they are; every report says it.
        summarise_by: Columns of the valid rows that scores are summed up by.
        codes: Those of them that are features, as whole numbers; predictions carry them.
        figures: What figures of the project's own show, for those who can't see them, by name.
    """

    block: ClassVar[str | None] = "project"
    file: ClassVar[str | None] = "project.yml"

    task: Task
    id: str
    raw: RawTable
    words: Words = Words()
    credit: str = ""
    summarise_by: list[str] = Field(default_factory=list)
    codes: list[str] = Field(default_factory=list)
    figures: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_classes(self) -> Self:
        classes = self.words.classes
        if self.task == "multiclass" and len(set(classes)) < max(SEVERAL, len(classes)):
            msg = f"words.classes has to name {SEVERAL} classes or more, each by a name of its own, by their codes"
            raise ValueError(msg)
        if self.task != "multiclass" and classes:
            msg = f"words.classes names the classes of a multiclass task, and the task is {self.task}"
            raise ValueError(msg)
        return self

    def check_task(self, task: Task, classes: int | None = None) -> None:
        """Hold a table to the task that the project declares.

        Args:
            task: What the table's label is of.
            classes: How many classes it has, of a multiclass task.

        Raises:
            ConfigurationError: If the project's is another, or names another number of classes.
        """
        if task != self.task:
            msg = (
                f"project.yml says that the task is {self.task}, and the label of model_input is that of a {task} "
                "task. Change task in project.yml, or the node that makes the label."
            )
            raise ConfigurationError(msg)
        if classes is not None and classes != len(self.words.classes):
            msg = (
                f"project.yml names {len(self.words.classes)} classes in words.classes, and model_input has {classes}. "
                "Name each of them, in the order of their codes."
            )
            raise ConfigurationError(msg)

    def name_outcome(self, outcome: str) -> str:
        """Give the project's word for what rows are counted by.

        Args:
            outcome: `positive`, `negative`, `unknown`, `class_0` and so on, or `known`.
        """
        named = {name_outcome(place): word for place, word in enumerate(self.words.classes)}
        words = {"positive": self.words.positive, "negative": self.words.negative, "unknown": self.words.unknown}
        return (words | named | {"known": f"with a known {self.words.value}"}).get(outcome, outcome)

    def name_group(self, group: str | float) -> str:
        """Name a value of `group` for people: a number needs the word before it, a text speaks for itself."""
        return group if isinstance(group, str) else f"{self.words.group} {group:.0f}"

    def describe_origin(self, row_counts: dict[str, int]) -> str:
        """Say whose rows these are: every report must, and synthetic rows must never pass for real ones.

        Args:
            row_counts: `valid` is the number of rows, `synthetic` that of the rows that were generated.

        Returns:
            One or two sentences, with the credit to the publisher.
        """
        rows, synthetic = row_counts["valid"], row_counts["synthetic"]
        credit = f" {self.credit}{', changed' if synthetic == rows else ''}." if self.credit else ""
        if synthetic == rows:
            return f"{rows:,} {self.words.rows}: synthetic, not real data.{credit}"
        if synthetic:
            return f"{rows:,} {self.words.rows}, {synthetic:,} of them synthetic.{credit}"
        return f"{rows:,} {self.words.rows}.{credit}"
