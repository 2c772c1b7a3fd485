"""``hybridfer train``: train a network."""

from __future__ import annotations

import click

from hybridfer.commands.options import common_options, say


@click.command()
@click.argument("net", metavar="NET")
@click.argument("data", metavar="DATA", type=click.Path())
@click.option("-o", "--output", metavar="MODEL", type=click.Path(), required=True, help="Folder to save the model to.")
@click.option("--overwrite", is_flag=True, help="Replace MODEL if it exists.")
@click.option("--resume", is_flag=True, help="Continue a training that was killed; its last whole epoch counts.")
@click.option(
    "--negatives", metavar="FOLDER", type=click.Path(), help="Pictures without a face, to learn from as well."
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    metavar="N",
    help="How often networks see as many windows as there are: R-Net and O-Net twice, P-Net three times as often.",
)
@click.option(
    "--scenes",
    type=click.IntRange(min=1),
    default=1200,
    show_default=True,
    metavar="N",
    help="Scenes that windows are cut from; for P-Net there are twice as many.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.25,
    show_default=True,
    metavar="X",
    help="Share of R-Net's channels at half the resolution; 0.5 is faster.",
)
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    default=256,
    show_default=True,
    metavar="N",
    help="Windows that are learnt from at once.",
)
@click.option("--lr", type=float, default=1e-3, show_default=True, metavar="X", help="Learning rate at the beginning.")
@common_options
def train(
    net: str,
    data: str,
    output: str,
    overwrite: bool,
    resume: bool,
    negatives: str | None,
    epochs: int,
    scenes: int,
    alpha: float,
    batch: int,
    lr: float,
    jobs: int,
    seed: int,
    device: str,
    quiet: bool,
) -> None:
    """Train the network NET on DATA, and save it as the folder MODEL.

    mtcnn-improved, the one there is, finds faces. Its DATA are a list of WIDER
    FACE, dlib's XML, or a manifest with a row for each face: path, and
    FaceRectX, FaceRectY, FaceRectWidth, FaceRectHeight, or points x_0, y_0 …;
    where a manifest has splits, the rows of train. After every epoch all is
    kept in MODEL.parts until the training has ended.

    \b
    Examples:
      hybridfer train mtcnn-improved wider_face_train_bbx_gt.txt -o finder.model
      hybridfer train mtcnn-improved faces.csv --negatives empty/ --epochs 8 -o finder.model --resume
      hybridfer detect photos/ --detector mtcnn-improved:weights=finder.model
    """
    from hybridfer.deep import TRAINERS

    TRAINERS.load(net)(
        data,
        output,
        negatives=negatives,
        resume=resume,
        overwrite=overwrite,
        device=device,
        jobs=jobs,
        tell=lambda text: say(quiet, text),
        epochs=epochs,
        scenes=scenes,
        alpha=alpha,
        batch=batch,
        lr=lr,
        seed=seed,
    )
    say(quiet, f"→ {output}")
