"""Refuse a name that no package can have."""

import keyword
import sys

package = "{{ cookiecutter.python_package }}"
if not package.isidentifier() or keyword.iskeyword(package) or package in sys.stdlib_module_names:
    sys.exit(f"{package!r} is no name of a package: letters, digits and underscores, a letter first, no word of Python.")
