"""What happens around a run: a class a concern, each an entry point `kedro.hooks` of its own.

Kedro calls them in pluggy's order, whatever else is registered:

| before a run | | |
| --- | --- | --- |
| `storage_lock` | wraps all others | refuses what can't be a storage, and locks it when all others have agreed |
| `parameters` | `tryfirst` | names and values, `project.yml`, the choice of H2O |
| `inputs` | | what is missing, empty, or a link that leads nowhere; no Spark starts |
| `spark` | `trylast` | settings, a storage that all machines share; starts Spark and watches its stages |
| `results` | | sets the clock; after a run it shows the results when all others are done |

They act in projects that have a `conf/base/project.yml`, and do nothing in others.
"""
