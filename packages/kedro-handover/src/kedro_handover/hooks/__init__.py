"""What happens around a run: a class a concern, each an entry point `kedro.hooks` of its own.

Kedro calls them in pluggy's order, whatever else is registered:

| before a run | | |
| --- | --- | --- |
| `spark` | wrapper | refuses an environment without settings for Spark; starts it when the other checks are done |
| `parameters` | `tryfirst` | names and values, `project.yml`, the choice of H2O |
| `inputs` | | what is missing, empty, or a link that leads nowhere; no Spark starts |
| `results` | | sets the clock; after a run it shows the results when all others are done |
| `storage_lock` | outermost wrapper | locks the storage when all have agreed: a run that is refused writes nothing |

They act in projects that have a `conf/base/project.yml`, and do nothing in others.
"""
