"""A folder of like modules, such as data sets, presets, metrics or commands: who adds one writes one file."""

import importlib
import pkgutil
from types import ModuleType


def modules_of(package: str) -> list[ModuleType]:
    """The modules in a package's folder, in order of their `PLACE` where they have one, then of their names."""
    folder = importlib.import_module(package).__path__
    found = [importlib.import_module(f"{package}.{module.name}") for module in pkgutil.iter_modules(folder)]
    return sorted(found, key=lambda module: getattr(module, "PLACE", 0))
