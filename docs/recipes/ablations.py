"""What each paper's parts are good for: small networks trained with and without them, compared picture by picture.

    python docs/recipes/ablations.py fer2013.csv runs/ablations               # all studies, hours
    python docs/recipes/ablations.py fer2013.csv runs/ablations arm focal     # some of them

Every variant of a study is trained alike, on ``train``, from the same seed; what is there already is not trained again,
and what was killed goes on. The first variant is what the others are compared with: the difference of the accuracy on
``val`` in points, its 95 % interval from a bootstrap over pictures, and McNemar's exact test. One seed says nothing of
how much another seed would change; differences of a point are within that.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hybridfer import load_model
from hybridfer.datasets.inputs import read_inputs
from hybridfer.deep.training.train import train_network

RESAMPLES = 10_000


@dataclass(frozen=True)
class Study:
    """Variants of a network or of its loss, by name, and what all of them are trained with."""

    net: str
    variants: dict[str, dict[str, Any]]
    common: dict[str, Any] = field(default_factory=dict)


STUDIES = {
    "arm": Study(
        "arm",
        {
            "arm": {},
            "without arrangement": {"options": {"arrangement": False}},
            "without de-albino": {"options": {"de_albino": False}},
            "without sharing affinity": {"options": {"affinity": "none"}},
            "resnet18": {"net": "resnet18"},
        },
        {"width": 0.25, "epochs": 30},
    ),
    "rmrn": Study(
        "rmrn18",
        {
            "rmrn18": {},
            "without L_rec": {"loss": "rmrn:rec=0,smoothing=0.1", "options": {"rec_from": "none"}},
            "without L_margin": {"loss": "rmrn:margin=0,smoothing=0.1"},
            "rmn18, neither": {"net": "rmn18"},
            "without masks (resnet18)": {"net": "resnet18"},
        },
        {"width": 0.125, "epochs": 20},
    ),
    "island": Study(
        "alexnet-emotion",
        {
            "cross-entropy": {"loss": "cross-entropy"},
            "centre": {"loss": "centre"},
            "island": {"loss": "island"},
            "improved island": {"loss": "improved-island"},
        },
        {"width": 0.5, "epochs": 30},
    ),
    "focal": Study(
        "resnet18",
        {
            "cross-entropy": {"loss": "cross-entropy"},
            "focal, gamma 2": {"loss": "focal:gamma=2"},
            "focal, gamma 1": {"loss": "focal:gamma=1"},
            "cross-entropy, smoothed": {"loss": "cross-entropy:smoothing=0.1"},
            "cross-entropy, balanced": {"loss": "cross-entropy", "class_weights": "balanced"},
        },
        {"width": 0.25, "epochs": 30},
    ),
}


def main(data: str, output: str, *names: str) -> None:
    """Train what is not there yet, and write a table and the numbers of each study."""
    from scipy.stats import binomtest

    for name in names or STUDIES:
        study = STUDIES[name]
        right: dict[str, npt.NDArray[np.bool_]] = {}
        rows = []
        for title, settings in study.variants.items():
            model = Path(output) / name / f"{title.replace(',', '').replace(' ', '-')}.model"
            if not model.exists():
                model.parent.mkdir(parents=True, exist_ok=True)
                how = {"net": study.net, **study.common, **settings}
                train_network(data=data, output=model, resume=True, tell=_say, **how)
            right[title] = _right(model, data)
            first = right[next(iter(study.variants))]
            differs = right[title].astype(int) - first
            random = np.random.default_rng(0)
            drawn = random.choice(differs, (RESAMPLES, len(differs))).mean(1)
            lost, won = int((differs < 0).sum()), int((differs > 0).sum())
            measured = json.loads((model / "card.json").read_text("utf-8"))["measured"]["val"]
            rows.append(
                {
                    "variant": title,
                    "n": len(first),
                    "accuracy": right[title].mean(),
                    "macro_f1": measured.get("macro_f1"),
                    "difference": differs.mean(),
                    "low": np.quantile(drawn, 0.025),
                    "high": np.quantile(drawn, 0.975),
                    "p": binomtest(won, won + lost).pvalue if won + lost else 1.0,
                }
            )
        (Path(output) / f"{name}.json").write_text(json.dumps(rows, indent=2) + "\n", "utf-8")
        for row in rows:
            sys.stdout.write(
                f"{name:7} {row['variant']:26} {row['accuracy']:6.2%}  {100 * row['difference']:+.2f} "
                f"({100 * row['low']:+.2f} to {100 * row['high']:+.2f}), p {row['p']:.3f}\n"
            )


def _right(model: Path, data: str) -> npt.NDArray[np.bool_]:
    """Return which pictures of ``val`` a model names as their label says."""
    from dataclasses import replace

    manifest = read_inputs([data])
    items = [item for item in manifest.items if item.split == "val"]
    rows = load_model(model).predict_inputs(replace(manifest, items=items), cache=False)
    return np.array([row["label"] == row["true_label"] for row in rows])


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
