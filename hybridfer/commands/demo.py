"""``hybridfer demo``: the main job on drawn faces and a photograph, with nothing to fetch."""

from __future__ import annotations

import click

from hybridfer.commands.options import common_options, say


@click.command()
@click.option("-o", "--output", metavar="DIR", default="demo", show_default=True, help="Folder to write.")
@click.option("--overwrite", is_flag=True, help="Replace DIR if it exists.")
@common_options
def demo(output: str, overwrite: bool, seed: int, quiet: bool, **common: object) -> None:
    """Draw people, extract, train, evaluate and predict, and look at a photograph; leave a page in DIR.

    \b
    Example:
      hybridfer demo -o demo
    """
    from hybridfer.report.demo import run_demo

    page = run_demo(output, overwrite=overwrite, seed=seed, say=lambda step: say(quiet, f"$ {step}"))
    say(quiet, f"look at {page}")
