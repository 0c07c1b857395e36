"""Put the example's table and the library's wheel into the new project."""

from pathlib import Path

from kedro_handover.starter.make import finish_example

finish_example(Path.cwd())
