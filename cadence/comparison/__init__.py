"""What is different between two versions of a plugin: computed from frozen values, nothing is read and nothing is run.

It stands on the ground floor and knows no other room, so that the model can hold what it comes to.
"""

from cadence.comparison.sides import Side, compare
from cadence.comparison.texts import DiffLine, FileContents, FileDifference, file_difference
from cadence.comparison.values import (
    Change,
    Comparison,
    FileChange,
    FileChanges,
    FileFacts,
    Package,
    PackageChange,
    PackageChanges,
    TextChanges,
    ToolChange,
    ToolChanges,
)

__all__ = [
    "Change",
    "Comparison",
    "DiffLine",
    "FileChange",
    "FileChanges",
    "FileContents",
    "FileDifference",
    "FileFacts",
    "Package",
    "PackageChange",
    "PackageChanges",
    "Side",
    "TextChanges",
    "ToolChange",
    "ToolChanges",
    "compare",
    "file_difference",
]
