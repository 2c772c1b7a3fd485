"""``hybridfer rsa``: what descriptions keep apart, and which models say so too."""

from __future__ import annotations

from typing import Any

import click

from hybridfer.commands.options import (
    cache_option,
    common_options,
    input_options,
    inputs_argument,
    output_option,
    resamples_option,
    say,
    strict_option,
)
from hybridfer.compare.rsa import DISTANCES, MEASURES


@click.command()
@inputs_argument
@click.option(
    "-f",
    "--feature",
    "features",
    metavar="BLOCK",
    multiple=True,
    help="Block to explain, such as lbp; of banks, all when not given.",
)
@click.option(
    "--layers", metavar="NETWORK", help="Explain the layers of a network too, such as resnet18, and draw their curve."
)
@click.option(
    "-m",
    "--model",
    "models",
    metavar="MODEL",
    multiple=True,
    help="What may explain them: a block such as gwp, physical, symmetric, category, category:COLUMN, or a file with "
    "matrices (.csv, .npz). Every two blocks are compared when not given.",
)
@click.option("--windows", is_flag=True, help="The items are the twelve windows of a face; each face has a matrix.")
@click.option("--by", metavar="COLUMN", help="The items are the values of a column, such as label; else the rows.")
@click.option("--subjects", metavar="COLUMN", help="Each value of a column has a matrix; gives the noise ceiling.")
@click.option("--folds", metavar="COLUMN", help="Each value of a column is a fold of the crossnobis distance.")
@click.option("--distance", type=click.Choice(DISTANCES), default=DISTANCES[0], show_default=True)
@click.option(
    "--compare",
    "measure",
    type=click.Choice(["auto", *MEASURES]),
    default="auto",
    show_default=True,
    help="How matrices are compared; auto: tau-a where a model has equal dissimilarities, else spearman.",
)
@click.option(
    "--permutations",
    type=click.IntRange(min=99),
    default=10_000,
    show_default=True,
    metavar="N",
    help="Of the items' names, for p.",
)
@resamples_option
@click.option("--untrained", is_flag=True, help="Let networks without weights describe pictures with random ones.")
@output_option
@click.option("--format", "fmt", type=click.Choice(["text", "csv", "json"]), default="text", show_default=True)
@input_options
@cache_option
@strict_option
@common_options
def rsa(
    inputs: tuple[str, ...],
    features: tuple[str, ...],
    layers: str | None,
    models: tuple[str, ...],
    windows: bool,
    by: str | None,
    subjects: str | None,
    folds: str | None,
    distance: str,
    measure: str,
    permutations: int,
    resamples: int,
    untrained: bool,
    output: str | None,
    overwrite: bool,
    fmt: str,
    reading: dict[str, Any],
    cache: bool,
    strict: bool,
    jobs: int,
    seed: int,
    device: str,
    quiet: bool,
) -> int:
    """Compare by dissimilarity matrices what descriptions and models keep apart, and print how alike they are.

    INPUTs are feature banks, or pictures as extract takes them. With -o,
    OUT.json takes all numbers, OUT.csv the comparisons, and a folder both with
    the matrices (NPZ) and charts of them, of the comparisons and of the layers.

    \b
    Examples:
      hybridfer rsa windows.parquet --windows -f lbp -m gwp -m physical -m symmetric -o rsa/
      hybridfer rsa fer.parquet --by label -m brain.csv --compare tau-a
      hybridfer rsa photos/ --layers resnet18 --untrained -m gwp -m category --detector none
      hybridfer rsa ck.parquet --by label --distance crossnobis --folds group --subjects subject
    """
    from hybridfer.cli import EXIT_DONE, EXIT_SOME_FAILED
    from hybridfer.compare.rsa.analysis import rsa as analyse
    from hybridfer.compare.rsa.result import check_target, write_analysis
    from hybridfer.tables import open_output

    to_file = output not in (None, "-")
    if to_file:
        check_target(str(output), overwrite)
    found = analyse(
        inputs,
        features=features,
        models=models,
        layers=layers,
        windows=windows,
        by=by,
        subjects=subjects,
        folds=folds,
        distance=distance,
        measure=measure,
        permutations=permutations,
        resamples=resamples,
        untrained=untrained,
        **reading,
        cache=cache,
        strict=strict,
        jobs=jobs,
        seed=seed,
        device=device,
    )
    with open_output("-") as stream:
        stream.write({"csv": found.to_csv, "json": found.to_json, "text": found.summary}[fmt]())
    if to_file:
        say(quiet, f"→ {', '.join(map(str, write_analysis(found, str(output), overwrite)))}")
    return EXIT_SOME_FAILED if found.protocol["error"] else EXIT_DONE
