"""Name the packages, their data files and the command; static metadata lives in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    # The clone on the path itself: with an editable finder, a clone named freezenet hides the package from its parent folder.
    package_dir={"": "."},
    packages=find_packages(include=["freezenet", "freezenet.*"]),
    package_data={
        "freezenet": ["py.typed"],
        "freezenet.benchmarks": ["templates/*.html"],
        "freezenet.benchmarks.checklist": ["standards/*.toml"],
        "freezenet.convert.app": ["web/*", "android/**/*"],
        "freezenet.convert.package": ["templates/*.md"],
        "freezenet.edge_runtime.screen.summary": ["templates/*.html"],
        "freezenet.edge_runtime.server": ["page/*"],
        "freezenet.train.recipes": ["*.toml"],
    },
    entry_points={"console_scripts": ["freezenet = freezenet.cli:main"]},
)
