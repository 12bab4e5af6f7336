"""The job's entry point: `ray job submit --working-dir . -- python automl/search.py [SPEC] [options]`.

The same as `automl search`; the stages are in pipeline/run.py. Nothing imports this module.
"""

import sys


def main() -> None:
    """Run `automl search` with this process's arguments."""
    from automl.apps.cli import app

    app(["search", *sys.argv[1:]])


if __name__ == "__main__":
    main()
