"""What pyproject.toml has no words for: in a wheel the packages that stand beside fineprune/ are inside of it."""

from setuptools import find_packages, setup

BESIDE = ("conf", "runners", "strategies")

setup(
    packages=[
        *find_packages(include=["fineprune*"]),
        *(f"fineprune.{name}" for name in find_packages(include=[f"{part}*" for part in BESIDE])),
    ],
    package_dir={f"fineprune.{part}": part for part in BESIDE},
)
