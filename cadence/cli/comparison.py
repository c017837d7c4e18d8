"""``flask plugins compare``, and how a comparison reads in a terminal."""

import click
from flask.cli import with_appcontext

from cadence.cli.command import command, parts, say_json
from cadence.comparer import Comparer
from cadence.comparison import Comparison
from cadence.comparison.values import FileChange
from cadence.intake.limits import bytes_in_words


@click.command("compare")
@click.argument("name")
@click.argument("from_version", metavar="FROM")
@click.argument("to_version", metavar="TO")
@click.option("--file", "path", help="Show what is different in one file, line by line.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
@command
def compare(name: str, from_version: str, to_version: str, path: str | None, as_json: bool) -> None:
    """Show what is different in version TO of a plugin from version FROM. Both must be installed."""
    comparer = Comparer(parts().index, parts().store)
    if path is not None:
        found = comparer.file(name, from_version, to_version, path)
        if as_json:
            say_json(found)
        else:
            click.echo(found.unified if found.unified is not None else found.words, nl=found.unified is None)
        return
    comparison = comparer.installed(name, from_version, to_version)
    if as_json:
        say_json(comparison)
    else:
        say_comparison(comparison)


def say_comparison(comparison: Comparison) -> None:
    """Print what is different: what may break callers first, a line for each."""
    old, new = comparison.old_version, comparison.new_version
    click.echo(f"{comparison.plugin_name} {old} to {new}: {comparison.summary()}")
    for title, lines in _sections(comparison):
        if lines:
            click.echo(f"  {title}")
        for line in lines:
            click.echo(f"    {line}")


def _sections(comparison: Comparison) -> list[tuple[str, list[str]]]:
    return [
        ("May break callers", [f"! {sentence}" for sentence in comparison.breaking]),
        ("Tools", _tool_lines(comparison)),
        ("Asks for", _marked(comparison.needs.added, comparison.needs.removed, comparison.needs.left_out)),
        ("Findings", _marked(comparison.findings.added, comparison.findings.removed, comparison.findings.left_out)),
        (
            "Requirements",
            _marked(comparison.requirements.added, comparison.requirements.removed, comparison.requirements.left_out),
        ),
        ("Packages", _package_lines(comparison)),
        ("Files", _file_lines(comparison)),
        (
            "Says of itself",
            _marked(comparison.description.added, comparison.description.removed, comparison.description.left_out),
        ),
        ("Not known", list(comparison.unknown)),
    ]


def _marked(added: tuple[str, ...], removed: tuple[str, ...], left_out: int) -> list[str]:
    more = [f"and {left_out} more"] if left_out else []
    return [*(f"+ {text}" for text in added), *(f"- {text}" for text in removed), *more]


def _tool_lines(comparison: Comparison) -> list[str]:
    tools = comparison.tools
    lines = _marked(tools.added, tools.removed, tools.left_out)
    for tool in tools.changed:
        lines += [f"{'!' if change.breaking else '~'} {tool.name}: {change.words}" for change in tool.changes]
    return lines


def _package_lines(comparison: Comparison) -> list[str]:
    packages = comparison.packages
    added = tuple(f"{one.name} {one.version}" for one in packages.added)
    removed = tuple(f"{one.name} {one.version}" for one in packages.removed)
    changed = [f"~ {one.name} {one.old_version} to {one.new_version}" for one in packages.changed]
    return [*changed, *_marked(added, removed, packages.left_out)]


def _file_lines(comparison: Comparison) -> list[str]:
    files = comparison.files
    changed = [f"~ {_sized(one)}" for one in files.changed]
    added, removed = (tuple(map(_sized, some)) for some in (files.added, files.removed))
    return [*changed, *_marked(added, removed, files.left_out)]


def _sized(file: FileChange) -> str:
    sizes = [bytes_in_words(size) for size in (file.old_bytes, file.new_bytes) if size is not None]
    return f"{file.path} ({' to '.join(dict.fromkeys(sizes))})"
