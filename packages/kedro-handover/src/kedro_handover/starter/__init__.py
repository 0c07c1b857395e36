"""New projects: the template of `kedro new --starter=handover`, and what `kedro handover new` finds out of a file."""

from pathlib import Path

from kedro.framework.cli.starters import KedroStarterSpec

starters = [KedroStarterSpec(alias="handover", template_path=str(Path(__file__).with_name("template")))]
"""What Kedro registers by the entry point `kedro.starters`."""
