"""``hybridfer train``: options reach the trainer, errors are one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hybridfer.cli import main_group
from hybridfer.errors import DatasetError, SpecError


def test_options_reach_the_trainer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    def trainer(data: str, output: str, **options: Any) -> None:
        seen.update(options, data=data, output=output)
        options["tell"]("pnet: epoch 1 of 1")

    monkeypatch.setattr("hybridfer.deep.detection.training.train_detector", trainer)
    out = str(tmp_path / "m")
    text = (
        f"train mtcnn-improved faces.csv -o {out} --epochs 3 --scenes 7 --alpha 0.5 --batch 9 --lr 0.01 --seed 5 "
        "--negatives empty --resume --overwrite --jobs 2 --device cuda"
    )
    result = CliRunner().invoke(main_group, text.split())
    assert result.exit_code == 0, result.output
    assert result.stderr == f"pnet: epoch 1 of 1\n→ {out}\n" and result.stdout == ""
    del seen["tell"]
    assert seen == {
        "data": "faces.csv", "output": out, "epochs": 3, "scenes": 7, "alpha": 0.5, "batch": 9, "lr": 0.01, "seed": 5,
        "negatives": "empty", "resume": True, "overwrite": True, "jobs": 2, "device": "cuda",
    }  # fmt: skip
    quiet = CliRunner().invoke(main_group, ["train", "mtcnn-improved", "faces.csv", "-o", out, "--quiet"])
    assert quiet.exit_code == 0 and quiet.output == ""
    del seen["tell"], seen["data"], seen["output"]
    from hybridfer.deep.detection.training import Recipe

    defaults = {name: seen[name] for name in ("epochs", "scenes", "alpha", "batch", "lr", "seed")}
    assert vars(Recipe()).items() >= defaults.items()


@pytest.mark.parametrize(
    ("net", "data", "error", "said"),
    [
        ("mtcnn-improve", "faces.csv", SpecError, "Did you mean 'mtcnn-improved'"),
        ("mtcnn-improved", "missing.csv", DatasetError, "missing.csv"),
        ("mtcnn-improved", "faces.zip", DatasetError, "expected a list of WIDER FACE"),
    ],
)
def test_wrong_names_are_errors(net: str, data: str, error: type[Exception], said: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main_group, ["train", net, data, "-o", str(tmp_path / "m")])
    assert isinstance(result.exception, error) and said in str(result.exception)
    assert not list(tmp_path.iterdir())


def test_alpha_is_a_share(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main_group, ["train", "mtcnn-improved", "f.csv", "-o", str(tmp_path / "m"), "--alpha", "1"]
    )
    assert result.exit_code == 2 and "alpha" in result.stderr
