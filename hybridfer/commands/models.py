"""``hybridfer models``: the networks' weights that are installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from hybridfer.commands.options import (
    apply_options,
    common_options,
    download_bar,
    format_option,
    output_option,
    say,
    set_option,
)
from hybridfer.labels import LABEL_SETS

F = TypeVar("F", bound=Callable[..., Any])

name_argument = click.argument("name", metavar="NAME")


def _numbers(ctx: click.Context, parameter: click.Parameter, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not numbers, as in 0.5,0.5,0.5.") from None


def _words(ctx: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    """Return ``a,b,c`` as words; the name of a label set stands for its own."""
    if text is None or text in LABEL_SETS:
        return None if text is None else LABEL_SETS[text]
    return tuple(word.strip() for word in text.split(","))


def _what_they_are(required: bool) -> Callable[[F], F]:
    """All that can be said of a checkpoint; the command passes it on to the library."""
    options = [
        click.option("--network", required=required, metavar="NETWORK", help="Whose weights they are: resnet18 …"),
        click.option("--name", metavar="NAME", help="By which specs call them (weights=NAME).  [default: NETWORK]"),
        click.option(
            "--labels",
            metavar="A,B,C",
            callback=_words,
            help=f"The classes in the network's own order, or whose order it is: {', '.join(LABEL_SETS)}.",
        ),
        set_option,
        click.option(
            "--size", type=int, metavar="PIXELS", help="Side it was trained on.  [default: what NETWORK is made for]"
        ),
        click.option(
            "--mean",
            metavar="R,G,B",
            callback=_numbers,
            help="Taken from 0–1; one number for all.  [default: 0.485,0.456,0.406, ImageNet's; 0 of rmn]",
        ),
        click.option(
            "--std", metavar="R,G,B", callback=_numbers, help="Divided by.  [default: 0.229,0.224,0.225; 1 of rmn]"
        ),
        click.option(
            "--grey/--colour",
            "grey",
            default=None,
            help="Whether its three channels have only seen grey pictures.  [default: colour; grey of rmn]",
        ),
        click.option("--licence", metavar="TEXT", help="What one may do with them.  [default: unknown]"),
        click.option("--origin", metavar="TEXT", help="Where they are from.  [default: the name or the address]"),
        click.option("--overwrite", is_flag=True, help="Replace weights of the same name."),
    ]
    return lambda function: apply_options(options, function)


def _say_installed(quiet: bool, card: Any) -> None:
    from hybridfer.faces import DETECTORS

    use = f"--detector {card.network}" if card.network in DETECTORS.names() else f"{card.network}@LAYER"
    whole = f", or hybridfer predict {card.name}" if card.labels else ""
    say(quiet, f"{card.tensors} tensors of {card.network} → {card.name}, as in {use}:weights={card.name}{whole}")


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
@_what_they_are(required=False)
@common_options
def import_file(file: str, overwrite: bool, jobs: int, seed: int, device: str, quiet: bool, **said: Any) -> None:
    """Install the weights in FILE: a .safetensors file, or a checkpoint of torch that holds tensors alone.

    Every tensor must be the network's: missing, unexpected and misshapen ones are named, and nothing is installed.
    No pickled code is run. How many classes there are is read from the file. The layouts of RMN's and ARM's authors
    and of torchvision's ResNets are known.

    FILE may be the folder that hybridfer train wrote, whose card says all but the name. For the detector yunet it is
    the ONNX file.

    \b
    Examples:
      hybridfer models import resnet18.pth --network resnet18 --licence BSD-3-Clause
      hybridfer models import Z_resmasking_dropout1_rot30_2019Nov30_13.32 --network rmn --labels fer2013
      hybridfer models import fer.pt --network arm --name fer --set width=0.5 --set input_size=48 --mean 0.5 \\
          --std 0.5 --labels anger,disgust,fear,happiness,sadness,surprise,neutral
      hybridfer models import arm.model --name arm-mine
      hybridfer models import face_detection_yunet_2023mar.onnx --network yunet --licence MIT
    """
    from hybridfer.deep.weights import import_weights

    _say_installed(quiet, import_weights(file, overwrite=overwrite, **said))


@models.command()
@click.argument("url", metavar="URL")
@click.option("--sha256", required=True, metavar="HEX", help="Of the file, as its publisher says it.")
@click.option("--offline", is_flag=True, help="Refuse: never use the network.")
@_what_they_are(required=True)
@common_options
@click.pass_context
def fetch(
    ctx: click.Context,
    /,
    url: str,
    sha256: str,
    offline: bool,
    jobs: int,
    seed: int,
    device: str,
    quiet: bool,
    **said: Any,
) -> None:
    """Download the checkpoint at URL and install it as import does.

    No other command uses the network. What has another SHA-256 is not let in. A download that was cut goes on where it
    ended when the same command is given again. --offline, or HYBRIDFER_OFFLINE=1, forbids it.

    \b
    Examples:
      hybridfer models fetch https://download.pytorch.org/models/resnet18-f37072fd.pth --network resnet18 \\
          --licence BSD-3-Clause --sha256 HEX
      hybridfer models fetch http://nas.local/arm/model.safetensors --network arm --name ours --sha256 HEX \\
          --set width=0.5 --set input_size=48 --set channels=1 --mean 0.5 --std 0.25 --labels fer2013
    """
    from hybridfer.deep.fetch import fetch_weights

    offline = offline or ctx.find_root().params.get("offline", False)
    said = {key: value for key, value in said.items() if value is not None}
    with download_bar(quiet) as watch:
        card = fetch_weights(url, said.pop("network"), sha256, offline=offline, watch=watch, **said)
    _say_installed(quiet, card)


@models.command("list")
@format_option("text", "json")
@common_options
def list_cards(fmt: str | None, quiet: bool, **common: object) -> int:
    """Print the weights there are, yours and hybridfer's own; exit with 3 if a card cannot be read.

    The accuracy is what the card says was measured on which split of the data they were trained on.

    \b
    Example:
      hybridfer models list --format json | jq -r '.[].name'
    """
    from dataclasses import asdict

    from hybridfer.cli import EXIT_DONE, EXIT_SOME_FAILED
    from hybridfer.deep.weights import is_shipped, list_weights, read_record
    from hybridfer.tables import json_line

    cards, messages = list_weights()
    measured = {card.name: read_record(card.name).get("measured", {}) for card in cards}
    if fmt == "json":
        about = [{**asdict(c), "measured": measured[c.name], "shipped": is_shipped(c.name)} for c in cards]
        click.echo(json_line(about))
    else:
        rows = [("name", "network", "classes", "size", "accuracy", "whose", "licence", "origin")]
        for c in cards:
            whose = "hybridfer" if is_shipped(c.name) else "yours"
            right = _accuracies(measured[c.name])
            rows.append((c.name, c.network, str(c.classes or "-"), str(c.size), right, whose, c.licence, c.origin))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows if cards else ():
            click.echo("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    for message in messages:
        click.echo(message, err=True)
    if not cards and not messages:
        say(quiet, "no weights are installed; hybridfer models import FILE --network NETWORK installs some")
    return EXIT_SOME_FAILED if messages else EXIT_DONE


def _accuracies(measured: Any) -> str:
    """Return ``val 66.2%`` of what a card says was measured; a card may say it in words of its own."""
    splits = measured.items() if isinstance(measured, dict) else ()
    found = {split: worth.get("accuracy") for split, worth in splits if isinstance(worth, dict)}
    return ", ".join(f"{split} {value:.1%}" for split, value in found.items() if isinstance(value, float)) or "-"


@models.command()
@name_argument
@common_options
def show(name: str, **common: object) -> None:
    """Print the card of the weights NAME as JSON; NAME may be a folder that hybridfer train wrote.

    \b
    Examples:
      hybridfer models show resnet18
      hybridfer models show arm.model | jq .measured
    """
    import json

    from hybridfer.deep.weights import read_record

    click.echo(json.dumps(read_record(name), indent=2, ensure_ascii=False))


@models.command()
@click.argument("name", metavar="[NAME]", required=False)
@common_options
def verify(name: str | None, quiet: bool, **common: object) -> int:
    """Compare the weights NAME, or all, with the SHA-256 of their cards; exit with 1 if any differ.

    NAME may be a folder that hybridfer train wrote.

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


@models.command()
@click.argument("model", metavar="NAME|MODEL")
@output_option
@common_options
def export(model: str, output: str | None, overwrite: bool, quiet: bool, **common: object) -> None:
    """Write the network NAME, or that of the folder MODEL, as an ONNX file that answers as it does.

    The file takes pictures of 0 to 1 and gives logits and probabilities; its metadata say the classes in order, the
    size and the licence. It wants pip install 'hybridfer[onnx]'.

    \b
    Example:
      hybridfer models export arm -o arm.onnx
    """
    if output is None or output == "-":
        raise click.UsageError("Say which file to write: -o FILE.onnx.")
    from hybridfer.deep.export import export_model

    told = export_model(model, output, overwrite=overwrite)
    say(
        quiet,
        f"{model} → {output} (opset {told['opset']}; {told['compared_with']} gives scores at most "
        f"{told['max_difference']:.1g} away)",
    )
