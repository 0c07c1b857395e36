"""Kedro's settings for this project; see `kedro.framework.project.settings` for all that can be set."""

from premises.catalog import dataset
from premises.hooks import RunHooks
from premises.session import PremisesSession

SESSION_CLASS = PremisesSession

HOOKS = (RunHooks(),)

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "config_patterns": {"run": ["run.yml"], "spark": ["spark.yml"]},
    "custom_resolvers": {"dataset": dataset},
}
