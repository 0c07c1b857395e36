"""The packaged project's command: `{{ cookiecutter.python_package }}`, or `python -m {{ cookiecutter.python_package }}`."""

from typing import Any

from kedro_handover.main import run_project


def main(*args: Any, **kwargs: Any) -> Any:
    """Run the project, or another of its commands, with the options of `kedro run`."""
    return run_project("{{ cookiecutter.python_package }}", *args, **kwargs)


if __name__ == "__main__":
    main()
