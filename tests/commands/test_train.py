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
    seen.clear()
    quiet = CliRunner().invoke(main_group, ["train", "mtcnn-improved", "faces.csv", "-o", out, "--quiet"])
    assert quiet.exit_code == 0 and quiet.output == ""
    del seen["tell"], seen["data"], seen["output"]
    assert seen == {"resume": False, "overwrite": False, "device": "cpu", "jobs": -1, "seed": 0}


@pytest.mark.parametrize(
    ("net", "data", "error", "said"),
    [
        ("mtcnn-improve", "faces.csv", SpecError, "No network named 'mtcnn-improve'. Did you mean 'mtcnn-improved'"),
        ("amr", "faces.csv", SpecError, "Did you mean 'arm'"),
        ("arm", "missing.csv", DatasetError, "missing.csv does not exist; expected a data set"),
        ("mtcnn-improved", "missing.csv", DatasetError, "missing.csv"),
        ("mtcnn-improved", "faces.zip", DatasetError, "expected a list of WIDER FACE"),
    ],
)
def test_wrong_names_are_errors(net: str, data: str, error: type[Exception], said: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main_group, ["train", net, data, "-o", str(tmp_path / "m")])
    assert isinstance(result.exception, error) and said in str(result.exception)
    assert not list(tmp_path.iterdir())


def test_options_reach_the_trainer_of_networks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those that were given, and no others: what is left out the library decides."""
    seen: dict[str, Any] = {}
    worth = {"n": 3589, "accuracy": 0.66, "mirrored": {"accuracy": 0.67}}
    left_out: dict[str, int] = {}

    def trainer(net: str, data: str, output: str, **options: Any) -> dict[str, Any]:
        seen.update(options, net=net, data=data, output=output)
        options["tell"]("epoch 1 of 1")
        options["watch"]("a line for terminals")
        return {"measured": {"val": worth}, "training": {"left_out": left_out}}

    monkeypatch.setattr("hybridfer.deep.training.train.train_network", trainer)
    out = str(tmp_path / "m")
    result = CliRunner().invoke(main_group, ["train", "arm", "fer2013.csv", "-o", out, "--seed", "7"])
    assert result.exit_code == 0 and result.stdout == ""
    assert result.stderr == (f"epoch 1 of 1\nval: 66.00% of 3,589 right, 67.00% with the mirror image too\n→ {out}\n")
    common = {"resume": False, "overwrite": False, "device": "cpu", "jobs": -1, "seed": 7}
    del seen["tell"], seen["watch"]
    assert seen == {"net": "arm", "data": "fer2013.csv", "output": out, **common}
    given = {
        "size": 64, "width": 0.5, "channels": 3, "weights": "resnet18", "votes": "soft", "val": 0.2, "epochs": 9,
        "batch": 32, "loss": "focal:gamma=1", "optimiser": "radam", "lr": 0.5, "weight_decay": 0.1, "schedule": "step",
        "warmup": 1.5, "clip": 0.0, "ema": 0.9, "class_weights": "balanced", "resample": "minimal", "patience": 3,
        "keep": "best", "precision": "float32", "flip": 0.1, "rotate": 1.0, "shift": 0.2, "scale": 0.3,
        "brightness": 0.4, "contrast": 0.6, "noise": 0.7, "cutout": 0.8, "mixup": 0.9, "labels": "folder",
        "dataset": "folders", "label_set": "fer2013", "detector": "haar",
    }  # fmt: skip
    words = [word for key, value in given.items() for word in (f"--{key.replace('_', '-')}", str(value))]
    words += ["--set", "affinity=none", "--set", "de_albino=false", "--strict", "--full", "--resume", "--overwrite"]
    left_out["error"] = 2
    result = CliRunner().invoke(main_group, ["train", "arm", "x", "-o", out, *words], standalone_mode=False)
    assert result.return_value == 3, result.output  # some pictures could not be read
    del seen["tell"], seen["watch"]
    switches = {"affinity": "none", "de_albino": "false"}
    more = {"options": switches, "strict": True, "half": False, "resume": True, "overwrite": True, "seed": 0}
    assert seen == {"net": "arm", "data": "x", "output": out, **common, **given, **more}


def test_the_help_tells_the_defaults_of_the_recipe() -> None:
    from dataclasses import fields

    from hybridfer.deep.training.recipe import Recipe

    text = CliRunner().invoke(main_group, ["train", "--help"]).output
    for title in ("Network:", "Data:", "Learning:", "Pictures made different:", "Of a detector alone:", "Options:"):
        assert f"\n{title}\n" in text
    plain = " ".join(text.split())
    for field in fields(Recipe):
        assert f"--{field.name.replace('_', '-')} " in plain
    assert "How often it sees all pictures. [default: 60; of a detector 4]" in plain
    assert f"[default: {Recipe.epochs};" in plain and f"[default: {Recipe.batch};" in plain


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["arm", "--alpha", "0.5"], "--alpha says nothing to the training of arm; leave it out."),
        (["mtcnn-improved", "--mixup", "0.5"], "--mixup says nothing to the training of mtcnn-improved"),
        (["mtcnn-improved", "--set", "a=b"], "--set says nothing to the training of mtcnn-improved"),
        (["arm", "--set", "affinity"], "'affinity' is not KEY=VALUE"),
    ],
)
def test_options_of_another_training_are_usage_errors(words: list[str], said: str, tmp_path: Path) -> None:
    net, *options = words
    result = CliRunner().invoke(main_group, ["train", net, "x", "-o", str(tmp_path / "m"), *options])
    assert result.exit_code == 2 and said in result.stderr


def test_alpha_is_a_share(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main_group, ["train", "mtcnn-improved", "f.csv", "-o", str(tmp_path / "m"), "--alpha", "1"]
    )
    assert result.exit_code == 2 and "alpha" in result.stderr
