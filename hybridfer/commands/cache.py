"""``hybridfer cache``: what is remembered, and why or why not."""

from __future__ import annotations

import click

from hybridfer.commands.options import common_options, detector_option, format_option, say, specs_option


@click.group()
def cache() -> None:
    """Look into the feature cache, ask why a face is in it or not, empty it.

    \b
    Examples:
      hybridfer cache info
      hybridfer cache why photo.jpg -f gabor:size=128
      hybridfer cache clear
    """


@cache.command()
@format_option("text", "json")
@common_options
def info(fmt: str | None, **common: object) -> None:
    """Print where the cache lies, its size, and what it remembers."""
    from hybridfer.bank.cache import FeatureCache
    from hybridfer.tables import json_line

    found = FeatureCache()
    rows, size = found.info(), found.size()
    if fmt == "json":
        click.echo(json_line({"folder": str(found.folder), "bytes": size, "kept": rows}))
        return
    click.echo(f"{found.folder}: {size / 1e6:.1f} MB")
    for row in rows:
        click.echo(f"  {row['faces']:>8} faces  {row['spec']}  (version {row['version']}, {row['packs']} packs)")


@cache.command()
@click.argument("file", type=click.Path())
@specs_option()
@detector_option()
@common_options
def why(file: str, specs: tuple[str, ...], detector: str | None, **common: object) -> None:
    """Say for the faces of FILE whether each SPEC is remembered, and why not."""
    from hybridfer.bank.describe import explain_cache

    for line in explain_cache(file, specs, detector):
        click.echo(line)


@cache.command()
@common_options
def clear(quiet: bool, **common: object) -> None:
    """Forget everything; what is needed again is computed again."""
    from hybridfer.bank.cache import FeatureCache

    found = FeatureCache()
    size = found.size()
    found.clear()
    say(quiet, f"{size / 1e6:.1f} MB freed in {found.folder}")
