"""What ``hybridfer models`` promises."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import Result
from deep.toy_networks import Toy

from hybridfer.deep import NETWORKS
from hybridfer.deep.nets.resnet import resnet18
from hybridfer.deep.weights import find_weights, read_card, weights_folder

Run = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("none_shipped")


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network ``toy`` is known; this is one with 3 classes and random weights."""
    monkeypatch.setitem(NETWORKS.table, "toy", "deep.toy_networks:Toy")
    path = tmp_path / "three classes.pth"
    torch.save({"state_dict": Toy(classes=3).state_dict(), "epoch": 9}, path)
    return path


def test_import_installs_and_says_how_to_call_them(run: Run, checkpoint: Path) -> None:
    result = run("models", "import", checkpoint, "--network", "toy")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "9 tensors of toy → toy, as in toy@LAYER:weights=toy\n"
    assert read_card("toy").classes == 3


def test_every_option_is_on_the_card(run: Run, checkpoint: Path) -> None:
    options = [
        "--name",
        "mine",
        "--labels",
        "happy, sad,neutral",
        "--size",
        "48",
        "--mean",
        "0.5",
        "--std",
        "0.1,0.2,0.3",
    ]
    result = run("models", "import", checkpoint, "--network=toy", *options, "--licence=MIT", "--origin=me", "--quiet")
    assert (result.exit_code, result.stderr) == (0, "")
    shown = run("models", "show", "mine")
    card = json.loads(shown.stdout)
    assert {key: card[key] for key in ("name", "network", "classes", "labels", "size")} == {
        "name": "mine",
        "network": "toy",
        "classes": 3,
        "labels": ["happiness", "sadness", "neutral"],
        "size": 48,
    }
    assert (card["mean"], card["std"], card["licence"], card["origin"]) == ([0.5] * 3, [0.1, 0.2, 0.3], "MIT", "me")


def test_weights_are_replaced_only_with_overwrite(run: Run, checkpoint: Path) -> None:
    arguments = ("models", "import", checkpoint, "--network", "toy")
    assert run(*arguments).exit_code == 0
    again = run(*arguments)
    assert again.exit_code == 1
    assert "add --overwrite to replace it" in again.stderr
    assert run(*arguments, "--overwrite").exit_code == 0


def test_a_wrong_network_is_one_line_that_names_every_tensor(run: Run, tmp_path: Path) -> None:
    torch.save(resnet18(classes=3).state_dict(), tmp_path / "18.pth")
    result = run("models", "import", tmp_path / "18.pth", "--network", "resnet34")
    kept = ["weight", "bias", "running_mean", "running_var"]
    parts = ["conv1.weight", *(f"bn1.{n}" for n in kept), "conv2.weight", *(f"bn2.{n}" for n in kept)]
    deeper = ["layer1.2", "layer2.2", "layer2.3", "layer3.2", "layer3.3", "layer3.4", "layer3.5", "layer4.2"]
    missing = ", ".join(f"{block}.{part}" for block in deeper for part in parts)
    assert result.exit_code == 1
    assert result.stderr == (
        f"hybridfer: {tmp_path / '18.pth'} does not fit resnet34. 80 missing: {missing}. Expected every tensor of the "
        "network and no other; give its own checkpoint, or another --network "
        f"(known: {', '.join(NETWORKS.names())}).\n"
    )
    assert not weights_folder().exists()


@pytest.mark.parametrize(("option", "value"), [("--mean", "a,b,c"), ("--std", ""), ("--size", "big")])
def test_values_that_are_no_numbers_are_a_usage_error(run: Run, checkpoint: Path, option: str, value: str) -> None:
    result = run("models", "import", checkpoint, "--network", "toy", option, value)
    assert result.exit_code == 2
    assert option in result.stderr


def test_list_shows_a_row_for_each_as_text_or_json(run: Run, checkpoint: Path) -> None:
    empty = run("models", "list")
    assert (empty.exit_code, empty.stdout) == (0, "")
    assert "no weights are installed" in empty.stderr
    assert run("models", "list", "--format", "json").stdout == "[]\n"
    run("models", "import", checkpoint, "--network", "toy", "--name", "longer-name", "--licence", "MIT")
    run("models", "import", checkpoint, "--network", "toy")
    assert run("models", "list").stdout.splitlines() == [
        "name         network  classes  size  whose  licence  origin",
        "longer-name  toy      3        224   yours  MIT      three classes.pth",
        "toy          toy      3        224   yours  unknown  three classes.pth",
    ]
    cards = json.loads(run("models", "list", "--format", "json").stdout)
    assert [card["name"] for card in cards] == ["longer-name", "toy"]


def test_a_damaged_card_does_not_hide_the_others(run: Run, checkpoint: Path) -> None:
    for name in ("bad", "good"):
        run("models", "import", checkpoint, "--network", "toy", "--name", name)
    (weights_folder() / "bad" / "card.json").write_text("{")
    result = run("models", "list")
    assert result.exit_code == 3
    assert result.stdout.splitlines()[1].startswith("good")
    assert "is no card of weights" in result.stderr


def test_list_says_which_weights_are_hybridfers_own(run: Run, checkpoint: Path, none_shipped: Path) -> None:
    run("models", "import", checkpoint, "--network", "toy", "--name", "brought")
    (weights_folder() / "brought").rename(none_shipped / "brought")
    run("models", "import", checkpoint, "--network", "toy")
    lines = run("models", "list").stdout.splitlines()
    assert [line.split()[4] for line in lines] == ["whose", "hybridfer", "yours"]
    cards = json.loads(run("models", "list", "--format", "json").stdout)
    assert [(card["name"], card["shipped"]) for card in cards] == [("brought", True), ("toy", False)]


def test_show_prints_everything_that_the_card_says(run: Run, checkpoint: Path) -> None:
    run("models", "import", checkpoint, "--network", "toy")
    path = weights_folder() / "toy" / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "thresholds": [0.6, 0.7]}))
    assert json.loads(run("models", "show", "toy").stdout)["thresholds"] == [0.6, 0.7]


def test_import_of_yunet_says_how_to_look_for_faces_with_it(run: Run, data_folder: Path) -> None:
    result = run("models", "import", data_folder / "teachers" / "yunet_n.onnx", "--network", "yunet")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "124 tensors of yunet → yunet, as in --detector yunet:weights=yunet\n"
    assert run("models", "verify").stdout == "yunet: ok\n"


def test_show_of_an_unknown_name_says_what_is_installed(run: Run, checkpoint: Path) -> None:
    run("models", "import", checkpoint, "--network", "toy")
    result = run("models", "show", "toi")
    assert result.exit_code == 1
    assert "No weights named 'toi' are installed. Did you mean 'toy'? Installed: toy." in result.stderr


def test_verify_exits_with_1_when_a_byte_has_changed(run: Run, checkpoint: Path) -> None:
    for name in ("a", "b"):
        run("models", "import", checkpoint, "--network", "toy", "--name", name)
    good = run("models", "verify")
    assert (good.exit_code, good.stdout, good.stderr) == (0, "a: ok\nb: ok\n", "2 weights checked, 0 broken\n")
    path, _ = find_weights("b")
    with path.open("r+b") as stream:
        stream.seek(-1, 2)
        stream.write(b"\x55")
    bad = run("models", "verify")
    assert (bad.exit_code, bad.stderr) == (1, "2 weights checked, 1 broken\n")
    assert bad.stdout.startswith("a: ok\nb: ")
    assert "changed or damaged" in bad.stdout
    assert run("models", "verify", "a").stdout == "a: ok\n"
    assert run("models", "verify", "c").exit_code == 1


def test_help_imports_no_torch_and_gives_examples() -> None:
    program = (
        "import sys; from click.testing import CliRunner; from hybridfer.commands.models import models\n"
        "for words in ([], ['import'], ['list'], ['show'], ['verify']):\n"
        "    assert 'Example' in CliRunner().invoke(models, [*words, '--help']).output\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
