"""The columns of the file, as its cells tell. A guess to look through: `make new` has said what to CHECK.

A column that is known only after the label gives it away: make it a `Text`, of which no feature is made.
"""

{{ cookiecutter._schema.imports }}

SCHEMA = Schema(
{{ cookiecutter._schema.body }}
)
