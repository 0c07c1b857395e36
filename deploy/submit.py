"""What spark-submit starts: the installed project, with the options of `kedro run`."""

from premises.__main__ import main

main()
