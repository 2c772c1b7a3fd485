"""What a trained network's folder says of it: a card for programs, a page for people, how the training went."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hybridfer import __version__
from hybridfer.classify.card import limits
from hybridfer.deep.training.data import TrainingData
from hybridfer.deep.training.recipe import Recipe
from hybridfer.faces import DEFAULT_DETECTOR
from hybridfer.faces.align import Alignment
from hybridfer.tables import json_line

LIBRARIES = ("numpy", "torch")


def make_record(
    network: str,
    options: Mapping[str, Any],
    data: TrainingData,
    recipe: Recipe,
    *,
    log: Sequence[Mapping[str, Any]],
    epoch: int,
    begun_with: str | None,
    measured: Mapping[str, Any],
    notes: Sequence[str],
) -> dict[str, Any]:
    """Return what the card of a trained network says beyond what its tensors tell.

    Parameters
    ----------
    network : str
    options : mapping
        That make the network as it is used.
    data : TrainingData
    recipe : Recipe
        Settled.
    log : sequence of mappings
        A line an epoch.
    epoch : int
        Whose weights are saved, from 1.
    begun_with : str, optional
        The weights it began with.
    measured : mapping
        What the weights that are saved are worth, by split.
    notes : sequence of str
        What a reader should be told.
    """
    from importlib.metadata import version

    channels, size = data.train.pixels.shape[1:3]
    trained_with = data.trained_with
    return {
        "hybridfer": __version__,
        "name": network,
        "network": network,
        "options": dict(options),
        "classes": len(data.classes),
        "labels": list(data.classes),
        "size": size,
        "mean": list(data.mean),
        "std": list(data.std),
        "grey": channels == 3 and data.grey,
        "licence": "that of the data; none is granted here",
        "origin": f"hybridfer train {network} on {data.about['dataset']}",
        # Declared crops say nothing of how to find a face in a photograph: there the default detector cuts likewise.
        "detector": DEFAULT_DETECTOR if trained_with["cropped"] else trained_with["detector"],
        "trained_with": trained_with,
        "training": {
            **data.about,
            "recipe": asdict(recipe),
            "begun_with": begun_with,
            "epochs": len(log),
            "epoch": epoch,
        },
        "measured": dict(measured),
        "libraries": {name: version(name) for name in LIBRARIES},
        "notes": list(notes),
    }


def readme(card: Mapping[str, Any]) -> str:
    """Return the card of a trained network as Markdown."""
    training, recipe = card["training"], card["training"]["recipe"]
    options = ", ".join(f"{key} {value}" for key, value in card["options"].items())
    counts = ", ".join(f"{label} {number}" for label, number in training["classes"].items())
    people = f" of {training['subjects']} subjects" if training["subjects"] else ""
    trained = card["trained_with"]
    crops = (
        "ready face crops"
        if trained["cropped"]
        else "whole pictures"
        if trained["detector"] == "none"
        else f"faces found with `{trained['detector']}`"
    )
    cut = Alignment.of(trained["crop"])
    measured = [
        f"| {split} | {worth['n']:,} | {worth['accuracy']:.2%} | {worth['balanced_accuracy']:.2%} | "
        f"{worth['macro_f1']:.2%} | {worth['mirrored']['accuracy']:.2%} |"
        for split, worth in card["measured"].items()
    ]
    table = [
        "| split | pictures | accuracy | balanced | macro F1 | accuracy with the mirror image |",
        "|---|---|---|---|---|---|",
        *measured,
        "",
        "The last column is of the mean of a picture's probabilities and its mirror image's; `predict` does without.",
    ]
    parts = [
        f"# {card['network']}, trained by hybridfer",
        "",
        f"A network that tells {card['classes']} expressions apart: {', '.join(card['labels'])}.  ",
        f"Made with {options}; it sees faces of {card['size']}x{card['size']} pixels.",
        "",
        "## Use",
        "",
        "    hybridfer predict THIS_FOLDER photos/ --format jsonl",
        "",
        "On pictures, "
        + (
            "the whole picture is the face"
            if card["detector"] == "none"
            else f"faces are found with `{card['detector']}`"
        )
        + f", unless `--detector` says otherwise. It was trained on {crops}.",
        f"A face that is found is cut out so that its eyes lie at {cut.eyes[0]} and {cut.eyes[1]} of the crop's side "
        f"and the mouth at {cut.mouth:g} down.",
        "",
        "## Data",
        "",
        f"- {training['dataset']}, split {training['split']}: {training['rows']:,} faces{people} ({counts})",
        *(f"- {note}" for note in training["labels"]),
        f"- licence: {card['licence']}",
        "",
        "## Training",
        "",
        f"{training['epochs']} epochs; the weights are those after epoch {training['epoch']}"
        + (f"; begun with the weights {training['begun_with']}" if training["begun_with"] else "")
        + ". `log.jsonl` and `curves.png` show how it went.",
        "",
        *(f"- {key.replace('_', ' ')}: {value}" for key, value in recipe.items()),
        "",
        "## How it was measured",
        "",
        *(table if measured else ["Not measured. Use `hybridfer evaluate` on faces of people it has not seen."]),
        "",
        *limits(card, "not calibrated"),
        "",
        f"Fingerprint: `{card['fingerprint']}`. Made with hybridfer {card['hybridfer']}, "
        f"{', '.join(f'{name} {number}' for name, number in card['libraries'].items())}.",
        "",
    ]
    return "\n".join(parts)


def log_files(network: str, log: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """Return how a training went, a line an epoch and as a picture, as files by name."""
    from hybridfer.report.plots import curves_png

    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "curves.png"
        curves_png(picture, log, f"Training of {network}")
        drawn = picture.read_bytes()
    return {"log.jsonl": "".join(json_line(line) + "\n" for line in log).encode(), "curves.png": drawn}
