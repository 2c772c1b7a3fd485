"""``hybridfer svm-predict``: what a model says of pictures or of a feature bank."""

from __future__ import annotations

from typing import Any

import click

from hybridfer.commands.predict import predict_options, run_predict


@click.command("svm-predict")
@predict_options
def svm_predict(**options: Any) -> int:
    """Predict the label of every face of INPUT, a feature bank or whatever extract reads.

    Rows go to standard output as CSV unless -o or --format says otherwise. The
    model knows which features it wants and how to find the face. With
    --label-set, they have the numbers that the set gives the labels too.

    \b
    Examples:
      hybridfer svm-predict fer.model fer.parquet -o predictions.csv
      hybridfer svm-predict fer.model photos/ --format jsonl | jq -r .label
    """
    return run_predict(**options)
