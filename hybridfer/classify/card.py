"""A model's card: what it is, what it was trained on, how it was measured; as JSON for programs and text for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hybridfer import __version__
from hybridfer.classify.pipelines import Settings, histograms
from hybridfer.faces import DEFAULT_DETECTOR
from hybridfer.faces.align import Alignment

if TYPE_CHECKING:
    from hybridfer.bank.bank import FeatureBank

SCHEMA = 1
"""Version of the model folder; raised when a reader of the old one would go wrong."""

LIBRARIES = ("numpy", "scikit-learn", "skops")


def make_card(
    bank: FeatureBank,
    names: Sequence[str],
    settings: Settings,
    *,
    classes: Sequence[str],
    training: Mapping[str, Any],
    cv: Mapping[str, Any] | None,
    search: Mapping[str, Any] | None,
    notes: Sequence[str],
) -> dict[str, Any]:
    """Return the card of a model that was fitted on blocks of a bank.

    Parameters
    ----------
    bank : FeatureBank
    names : sequence of str
        The blocks, in the order of the pipeline's columns.
    settings : Settings
    classes : sequence of str
        In the order of the probabilities.
    training, cv, search : mapping
        What it was fitted on, how it was measured, how C and gamma were chosen.
    notes : sequence of str
        What a reader should be told.
    """
    from importlib.metadata import version

    cropped = bool(bank.provenance.get("cropped"))
    made_with = str(bank.provenance.get("detector") or "none")
    whole = histograms(names, settings)
    return {
        "schema": SCHEMA,
        "hybridfer": __version__,
        "kind": "svm",
        "classes": list(classes),
        "blocks": {name: {**bank.blocks[name], "as_is": as_is} for name, as_is in zip(names, whole, strict=True)},
        # Declared crops say nothing of how to find a face in a photograph: there the default detector cuts likewise.
        "detector": DEFAULT_DETECTOR if cropped else made_with,
        "trained_with": {
            "detector": made_with,
            "detector_weights": bank.provenance.get("detector_weights"),
            "cropped": cropped,
            "crop": bank.crop,
        },
        "settings": settings.as_dict(),
        "training": dict(training),
        "cv": cv and dict(cv),
        "search": search and dict(search),
        "libraries": {name: version(name) for name in LIBRARIES},
        "notes": list(notes),
    }


def cv_text(cv: Mapping[str, Any]) -> list[str]:
    """Return the cross-validated scores in words, a line each."""
    lines = [f"cross-validated: {cv['scheme']}"]
    for name, fold in cv["by_fold"].items():
        pooled = cv["pooled"][name]
        interval = "" if pooled["low"] is None else f" (95 % interval {pooled['low']:.3f} to {pooled['high']:.3f})"
        lines.append(
            f"{name.replace('_', ' ')}: {pooled['value']:.3f} over all rows{interval}, "
            f"{fold['mean']:.3f} ± {fold['sd']:.3f} over folds"
        )
    if cv["leak"]:
        lines.append("subjects stood on both sides of the folds: no figure for new people")
    return lines


def summary(card: Mapping[str, Any]) -> list[str]:
    """Return what a model is in words, a line each."""
    training, settings = card["training"], card["settings"]
    where = "all labelled rows" if training["split"] is None else f"split {training['split']}"
    subjects = f" of {training['subjects']} subjects" if training["subjects"] else ""
    counts = ", ".join(f"{label} {n}" for label, n in training["classes"].items())
    gamma = "" if settings["gamma"] is None else f", gamma {settings['gamma']:g}"
    weight = "" if settings["class_weight"] is None else f", {settings['class_weight']} class weights"
    # Cards of an earlier hybridfer know of neither.
    other = settings.get("classifier")
    machine = f"classifier {other}" if other else f"{settings['kernel']} SVM"
    encoder = f", local descriptors encoded by {settings['encoder']}" if settings.get("encoder") else ""
    lines = [
        f"trained on {training['rows']} faces{subjects} ({where}): {counts}",
        f"{machine}, C {settings['C']:g}{gamma}{weight}, on {', '.join(card['blocks'])}{encoder}",
    ]
    if card["cv"] is not None:
        lines += cv_text(card["cv"])
    return lines


def limits(card: Mapping[str, Any], probabilities: str) -> list[str]:
    """Return what a reader of any model's card must know of its limits, as lines of Markdown."""
    rare = min(card["training"]["classes"].items(), key=lambda pair: pair[1])
    return [
        "## Limits",
        "",
        f"- The rarest class is {rare[0]}, with {rare[1]} training faces.",
        f"- Probabilities are {probabilities}.",
        "- It tells what a face looks like to the people who labelled the data, not what a person feels.",
        *(f"- {note}" for note in card["notes"]),
    ]


def readme(card: Mapping[str, Any]) -> str:
    """Return the card as Markdown."""
    training = card["training"]
    detector = (
        "the whole picture is the face" if card["detector"] == "none" else f"faces are found with `{card['detector']}`"
    )
    trained = card["trained_with"]
    crops = (
        "ready face crops"
        if trained["cropped"]
        else ("whole pictures" if trained["detector"] == "none" else f"faces found with `{trained['detector']}`")
    )
    measured = (
        [f"- {line}" for line in cv_text(card["cv"])]
        if card["cv"] is not None
        else ["Not measured when it was trained. Use `hybridfer evaluate` on faces of people it has not seen."]
    )
    blocks = [
        f"| `{name}` | {block['version']} | {block['length']} | "
        f"{', '.join(f'{k} {v}' for k, v in block['libraries'].items()) or block.get('made_by', '')} |"
        for name, block in card["blocks"].items()
    ]
    cut = Alignment.of(trained.get("crop"))
    tools = sorted({block["made_by"] for block in card["blocks"].values() if "made_by" in block})
    use = [
        "    hybridfer svm-predict THIS_FOLDER photos/ --format jsonl",
        "",
        f"On pictures {detector}, unless `--detector` says otherwise. It was trained on {crops}.",
        f"A face that is found is cut out so that its eyes lie at {cut.eyes[0]} and {cut.eyes[1]} of the crop's side "
        f"and the mouth at {cut.mouth:g} down{f', with a margin of {cut.margin:g}' if cut.margin else ''}.",
    ]
    if tools:
        use = [
            "    hybridfer bank import TABLE -o BANK",
            "    hybridfer svm-predict THIS_FOLDER BANK --format jsonl",
            "",
            f"TABLE is what {' and '.join(tools)} wrote of the pictures: the model cannot describe pictures itself.",
        ]
    parts = [
        "# An SVM on hybrid features, by hybridfer",
        "",
        *(f"{line[0].upper()}{line[1:]}.  " for line in summary({**card, "cv": None})),
        f"Classes, in order: {', '.join(card['classes'])}.",
        "",
        "## Use",
        "",
        *use,
        "",
        "## Features",
        "",
        "| block | version | values | made with |",
        "|---|---|---|---|",
        *blocks,
        "",
        "A bank whose specs, versions or weights differ is refused.",
        "",
        "## Data",
        "",
        f"- data set: {training['dataset']}; bank `{training['bank']}`",
        *(f"- {line}" for line in training["labels"]),
        "",
        "## How it was measured",
        "",
        *measured,
        "",
        *limits(card, "calibrated on training rows held back; on other pictures they may be off"),
        "",
        f"Fingerprint: `{card['fingerprint']}`. Made with hybridfer {card['hybridfer']}, "
        f"{', '.join(f'{name} {number}' for name, number in card['libraries'].items())}.",
        "",
    ]
    return "\n".join(parts)
