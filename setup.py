"""Build step of the wheel: the shipped spaces and the schema that they name go into the package.

Everything else stands in pyproject.toml. In a checkout, `search_spaces/` and `docs/` lie beside the package.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("search_spaces", "docs/description.schema.json")


class BuildWithSpaces(build_py):
    """Copy of the package, with the shipped spaces in it."""

    def run(self) -> None:
        """Copy the package, then what is shipped beside it; an editable install uses the files where they are."""
        super().run()
        if self.editable_mode:
            return
        for name in SHIPPED:
            target = Path(self.build_lib, "automl", name)
            target.parent.mkdir(parents=True, exist_ok=True)
            if Path(name).is_dir():
                shutil.copytree(name, target, dirs_exist_ok=True)
            else:
                shutil.copy(name, target)


setup(cmdclass={"build_py": BuildWithSpaces})
