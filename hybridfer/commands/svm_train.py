"""``hybridfer svm-train``: fit an SVM on a feature bank."""

from __future__ import annotations

import click

from hybridfer.commands.options import check_option, common_options, say


@click.command("svm-train")
@click.argument("bank", metavar="BANK", type=click.Path())
@click.option("-o", "--output", metavar="MODEL", type=click.Path(), required=True, help="Folder to save the model to.")
@click.option("--overwrite", is_flag=True, help="Replace MODEL if it exists.")
@click.option(
    "-f", "--feature", "features", metavar="BLOCK", multiple=True, help="Block to use, such as lbp; all when not given."
)
@click.option("--kernel", type=click.Choice(["linear", "rbf", "chi2"]), default="linear", show_default=True)
@click.option(
    "--encoder",
    metavar="SPEC",
    help="What makes a vector of local descriptors (siftlocal), fitted on training rows: bovw, vlad or fisher, such as "
    "bovw:words=2048,pyramid=3.",
)
@click.option(
    "--classifier",
    metavar="SPEC",
    help="Instead of the SVM of --kernel: leastsquares, or local:k=500, a machine for each face on its nearest "
    "neighbours.",
)
@click.option("--C", "C", type=float, metavar="X", help="Weight of errors.  [default: 2^-10 for linear, else 1]")
@click.option(
    "--gamma", type=float, metavar="X", help="Of exp(-gamma d), where the mean distance d is 1.  [default: 1]"
)
@click.option(
    "--components",
    type=click.IntRange(min=1),
    default=256,
    show_default=True,
    metavar="N",
    help="Principal components kept of a block.",
)
@click.option(
    "--cv",
    metavar="N|kfold|group|loso|ckplus",
    help="Measure: N folds of whole subjects; kfold, 5 folds of pictures; group, by that column; loso, a subject each; "
    "ckplus, 10 folds of subjects dealt by name.",
)
@click.option("--search", is_flag=True, help="Choose C and gamma by folds inside the training rows.")
@click.option(
    "--class-weight",
    type=click.Choice(["none", "balanced"]),
    default="none",
    show_default=True,
    help="balanced: errors in rare classes weigh more.",
)
@click.option(
    "--split", default="train", show_default=True, metavar="NAME", help="Rows to fit, if the bank has splits."
)
@check_option
@click.option("--allow-leak", is_flag=True, help="Let folds part a subject's pictures; the model's card says so.")
@common_options
def svm_train(
    bank: str,
    output: str,
    overwrite: bool,
    features: tuple[str, ...],
    kernel: str,
    encoder: str | None,
    classifier: str | None,
    C: float | None,
    gamma: float | None,
    components: int,
    cv: str | None,
    search: bool,
    class_weight: str,
    split: str,
    check: str | None,
    allow_leak: bool,
    jobs: int,
    seed: int,
    device: str,
    quiet: bool,
) -> None:
    """Fit an SVM with calibrated probabilities on BANK's labelled faces, and save it as a model folder.

    \b
    Examples:
      hybridfer svm-train fer.parquet -o fer.model --cv 5
      hybridfer svm-train ck.parquet -f lbp --kernel chi2 --search --cv loso -o ck.model
      hybridfer svm-train local.parquet --encoder fisher --classifier local:k=500 -o fer.model
    """
    from hybridfer.classify.card import summary
    from hybridfer.classify.train import train_svm

    model = train_svm(
        bank,
        features=features or None,
        kernel=kernel,
        encoder=encoder,
        classifier=classifier,
        C=C,
        gamma=gamma,
        components=components,
        cv=cv,
        search=search,
        class_weight=None if class_weight == "none" else class_weight,
        split=split,
        seed=seed,
        jobs=jobs,
        output=output,
        overwrite=overwrite,
        allow_leak=allow_leak,
        check=check,
    )
    for line in summary(model.card):
        say(quiet, line)
    for note in model.card["notes"]:
        say(quiet, f"note: {note}")
    say(quiet, f"→ {output}")
