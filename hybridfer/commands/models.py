"""``hybridfer models``: the networks' weights that are installed."""

from __future__ import annotations

import click

from hybridfer.commands.options import common_options, format_option, say

name_argument = click.argument("name", metavar="NAME")


def _numbers(ctx: click.Context, parameter: click.Parameter, text: str | None) -> tuple[float, ...] | None:
    """Return ``0.5,0.5,0.5`` as numbers; one number stands for all three."""
    if text is None:
        return None
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not three numbers, as in 0.5,0.5,0.5.") from None
    return numbers * 3 if len(numbers) == 1 else numbers


def _words(ctx: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(word.strip() for word in text.split(","))


@click.group()
def models() -> None:
    """Install weights of networks, look at them, check them: yours and those that hybridfer brings.

    \b
    Examples:
      hybridfer models import resnet18.pth --network resnet18 --licence BSD-3-Clause
      hybridfer models list
      hybridfer models verify
    """


@models.command("import")
@click.argument("file", metavar="FILE", type=click.Path())
@click.option("--network", required=True, metavar="NETWORK", help="Whose weights they are, such as resnet18.")
@click.option("--name", metavar="NAME", help="By which specs call them (weights=NAME).  [default: NETWORK]")
@click.option("--labels", metavar="A,B,C", callback=_words, help="The classes in the network's own order.")
@click.option("--size", type=int, metavar="PIXELS", help="Side it was trained on.  [default: 224]")
@click.option(
    "--mean", metavar="R,G,B", callback=_numbers, help="Taken from 0–1.  [default: 0.485,0.456,0.406, ImageNet's]"
)
@click.option("--std", metavar="R,G,B", callback=_numbers, help="Divided by.  [default: 0.229,0.224,0.225, ImageNet's]")
@click.option("--licence", metavar="TEXT", help="What one may do with them.  [default: unknown]")
@click.option("--origin", metavar="TEXT", help="Where they are from.  [default: FILE's name]")
@click.option("--overwrite", is_flag=True, help="Replace weights of the same name.")
@common_options
def import_file(
    file: str,
    network: str,
    name: str | None,
    labels: tuple[str, ...] | None,
    size: int | None,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    licence: str | None,
    origin: str | None,
    overwrite: bool,
    quiet: bool,
    **common: object,
) -> None:
    """Install the weights in FILE: a .safetensors file, or a checkpoint of torch that holds tensors alone.

    Every tensor must be the network's: missing, unexpected and misshapen ones are named, and nothing is installed.
    No pickled code is run. How many classes there are is read from the file.

    For the detector yunet FILE is its ONNX file; for mtcnn-improved the folder that hybridfer train wrote.

    \b
    Examples:
      hybridfer models import resnet18.pth --network resnet18 --licence BSD-3-Clause
      hybridfer models import fer.pt --network resnet18 --name fer --size 48 --mean 0.5 --std 0.5 \\
          --labels anger,disgust,fear,happiness,sadness,surprise,neutral
      hybridfer models import face_detection_yunet_2023mar.onnx --network yunet --licence MIT
    """
    from hybridfer.deep.weights import import_weights
    from hybridfer.faces import DETECTORS

    card = import_weights(
        file,
        network,
        name=name,
        labels=labels,
        size=size,
        mean=mean,
        std=std,
        licence=licence,
        origin=origin,
        overwrite=overwrite,
    )
    use = f"--detector {network}" if network in DETECTORS.names() else f"{network}@LAYER"
    say(quiet, f"{card.tensors} tensors of {network} → {card.name}, as in {use}:weights={card.name}")


@models.command("list")
@format_option("text", "json")
@common_options
def list_cards(fmt: str | None, quiet: bool, **common: object) -> int:
    """Print the weights there are, yours and hybridfer's own; exit with 3 if a card cannot be read.

    \b
    Example:
      hybridfer models list --format json | jq -r '.[].name'
    """
    from dataclasses import asdict

    from hybridfer.cli import EXIT_DONE, EXIT_SOME_FAILED
    from hybridfer.deep.weights import is_shipped, list_weights
    from hybridfer.tables import json_line

    cards, messages = list_weights()
    if fmt == "json":
        click.echo(json_line([{**asdict(card), "shipped": is_shipped(card.name)} for card in cards]))
    else:
        rows = [("name", "network", "classes", "size", "whose", "licence", "origin")]
        for c in cards:
            whose = "hybridfer" if is_shipped(c.name) else "yours"
            rows.append((c.name, c.network, str(c.classes or "-"), str(c.size), whose, c.licence, c.origin))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows if cards else ():
            click.echo("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    for message in messages:
        click.echo(message, err=True)
    if not cards and not messages:
        say(quiet, "no weights are installed; hybridfer models import FILE --network NETWORK installs some")
    return EXIT_SOME_FAILED if messages else EXIT_DONE


@models.command()
@name_argument
@common_options
def show(name: str, **common: object) -> None:
    """Print the card of the weights NAME as JSON.

    \b
    Example:
      hybridfer models show resnet18
    """
    import json

    from hybridfer.deep.weights import read_record

    click.echo(json.dumps(read_record(name), indent=2, ensure_ascii=False))


@models.command()
@click.argument("name", metavar="[NAME]", required=False)
@common_options
def verify(name: str | None, quiet: bool, **common: object) -> int:
    """Compare the weights NAME, or all, with the SHA-256 of their cards; exit with 1 if any differ.

    \b
    Example:
      hybridfer models verify resnet18
    """
    from hybridfer.cli import EXIT_DONE, EXIT_ERROR
    from hybridfer.deep.weights import verify_weights

    found = verify_weights(name)
    for each, message in found.items():
        click.echo(f"{each}: {message or 'ok'}")
    say(quiet, f"{len(found)} weights checked, {sum(m is not None for m in found.values())} broken")
    return EXIT_ERROR if any(found.values()) else EXIT_DONE
