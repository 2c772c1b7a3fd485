"""``hybridfer list``: what there is to choose from."""

from __future__ import annotations

import click

from hybridfer.commands.options import common_options

KINDS = {
    "classifiers": "hybridfer.classify.specs:CLASSIFIERS",
    "descriptors": "hybridfer.descriptors:DESCRIPTORS",
    "detectors": "hybridfer.faces:DETECTORS",
    "encoders": "hybridfer.classify.encoders:ENCODERS",
    "networks": "hybridfer.deep:NETWORKS",
    "losses": "hybridfer.deep:LOSSES",
    "runtimes": "hybridfer.deep:RUNTIMES",
    "datasets": "hybridfer.datasets:DATASETS",
    "metrics": "hybridfer.compare:METRICS",
    "schemas": "hybridfer.schemas:SCHEMAS",
}


@click.command("list")
@click.argument("kind", type=click.Choice(list(KINDS)))
@common_options
def list_names(kind: str, **common: object) -> None:
    """List the descriptors, networks or other KIND of things there are, also those of other packages.

    \b
    Example:
      hybridfer list descriptors
    """
    from hybridfer.registry import Registry

    names = Registry(kind, KINDS).load(kind).names()
    click.echo("\n".join(names))
