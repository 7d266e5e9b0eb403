"""Map the project's folders to installable packages; static metadata lives in pyproject.toml."""

from setuptools import setup

PACKAGES = ("edge_runtime", "train", "convert", "benchmarks", "pipeline")
INNER_PACKAGES = (
    "edge_runtime.dicom",
    "edge_runtime.dicom_node",
    "edge_runtime.inbox",
    "edge_runtime.server",
    "train.losses",
    "train.data",
    "benchmarks.clients",
    "benchmarks.clients.programs",
    "benchmarks.edge",
    "benchmarks.edge.programs",
    "benchmarks.fuzz",
)
DATA_FOLDERS = {
    "train/recipes": "*.toml",
    "benchmarks/clients/page": "*.*",
    "benchmarks/templates": "*.html",
    "convert/templates": "*.md",
    "edge_runtime/server/page": "*.*",
}

setup(
    packages=[*PACKAGES, *INNER_PACKAGES, *(folder.replace("/", ".") for folder in DATA_FOLDERS)],
    package_dir={name: name for name in PACKAGES},
    py_modules=["freezenet"],
    package_data={folder.replace("/", "."): [pattern] for folder, pattern in DATA_FOLDERS.items()},
    entry_points={"console_scripts": ["freezenet = freezenet:main"]},
)
