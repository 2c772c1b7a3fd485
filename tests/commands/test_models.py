"""What ``hybridfer models`` promises."""

from __future__ import annotations

import json
import re
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
        "name         network  classes  size  accuracy  whose  licence  origin",
        "longer-name  toy      3        224   -         yours  MIT      three classes.pth",
        "toy          toy      3        224   -         yours  unknown  three classes.pth",
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
    assert [line.split()[5] for line in lines] == ["whose", "hybridfer", "yours"]
    cards = json.loads(run("models", "list", "--format", "json").stdout)
    assert [(card["name"], card["shipped"]) for card in cards] == [("brought", True), ("toy", False)]


def test_list_tells_the_accuracy_where_a_card_has_one(run: Run, checkpoint: Path) -> None:
    run("models", "import", checkpoint, "--network", "toy")
    path = weights_folder() / "toy" / "card.json"
    record = json.loads(path.read_text())
    for measured, shown in {
        '{"val": {"accuracy": 0.6625, "n": 3589}, "test": {"accuracy": 0.5, "n": 8}}': "val 66.2%, test 50.0%",
        '{"val": {"macro_f1": 0.5}}': "-",
        '{"val": 0.66}': "-",
        '"good"': "-",
    }.items():
        path.write_text(json.dumps({**record, "measured": json.loads(measured)}))
        header, row = run("models", "list").stdout.splitlines()
        at = header.index("accuracy")
        assert row[at : header.index("whose")].strip() == shown
        assert json.loads(run("models", "list", "--format", "json").stdout)[0]["measured"] == json.loads(measured)


def test_a_model_folder_needs_no_more_than_its_path(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    run("models", "import", checkpoint, "--network", "toy", "--labels", "happy,sad,neutral")
    (weights_folder() / "toy").rename(tmp_path / "toy.model")
    assert json.loads(run("models", "show", tmp_path / "toy.model").stdout)["name"] == "toy"
    assert run("models", "verify", tmp_path / "toy.model").stdout == f"{tmp_path / 'toy.model'}: ok\n"
    result = run("models", "import", tmp_path / "toy.model", "--name", "mine")
    assert result.stderr == "9 tensors of toy → mine, as in toy@LAYER:weights=mine, or hybridfer predict mine\n"
    refused = run("models", "import", tmp_path / "toy.model", "--set", "width=0.5")
    assert (refused.exit_code, "has a card that says what it is" in refused.stderr) == (1, True)
    nameless = run("models", "import", checkpoint)
    assert (nameless.exit_code, "name the network, such as resnet18" in nameless.stderr) == (1, True)


def test_a_slim_network_comes_in_with_the_options_it_was_made_with(run: Run, tmp_path: Path) -> None:
    torch.save(resnet18(classes=8, channels=1, input_size=48, width=0.125).state_dict(), tmp_path / "slim.pth")
    made = ("--set", "width=0.125", "--set", "input_size=48", "--set", "channels=1", "--mean", "0.5", "--std", "0.25")
    words = ("models", "import", tmp_path / "slim.pth", "--network", "resnet18")
    assert run(*words, *made, "--labels", "ferplus").exit_code == 0
    card = read_card("resnet18")
    assert card.options == {"width": 0.125, "input_size": 48, "channels": 1}
    assert (card.size, card.mean, card.std) == (48, (0.5,), (0.25,))
    assert card.labels == ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
    for option, message in {
        "width": "'width' is not KEY=VALUE",
        "width=": "'width=' is not KEY=VALUE",
        "width=0.5": "'width' is given twice",
    }.items():
        result = run(*words, *made, "--set", option)
        assert (result.exit_code, message in result.stderr) == (2, True)
    result = run(*words, "--set", "with=0.125")
    assert (result.exit_code, result.stderr.startswith("hybridfer: resnet18 has no option 'with'. Did you")) == (
        1,
        True,
    )


def test_show_prints_everything_that_the_card_says(run: Run, checkpoint: Path) -> None:
    run("models", "import", checkpoint, "--network", "toy")
    path = weights_folder() / "toy" / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "thresholds": [0.6, 0.7]}))
    assert json.loads(run("models", "show", "toy").stdout)["thresholds"] == [0.6, 0.7]


@pytest.mark.slow
def test_export_says_how_near_the_file_comes(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="writes no ONNX without onnxscript: pip install 'hybridfer[onnx]'")
    run("models", "import", checkpoint, "--network", "toy", "--size", "16")
    result = run("models", "export", "toy", "-o", tmp_path / "toy.onnx")
    assert (result.exit_code, result.stdout) == (0, "")
    told = re.fullmatch(r"toy → \S+/toy\.onnx \(opset 18; .* gives scores at most (\S+) away\)\n", result.stderr)
    assert told is not None
    assert float(told[1]) < 1e-4
    assert (tmp_path / "toy.onnx").stat().st_size > 0
    again = run("models", "export", "toy", "-o", tmp_path / "toy.onnx")
    assert (again.exit_code, "add --overwrite" in again.stderr) == (1, True)


def test_export_wants_the_name_of_a_file(run: Run) -> None:
    for words in ((), ("-o", "-")):
        result = run("models", "export", "toy", *words)
        assert (result.exit_code, "Say which file to write: -o FILE.onnx." in result.stderr) == (2, True)


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
        "for words in ([], ['import'], ['fetch'], ['list'], ['show'], ['verify'], ['export']):\n"
        "    assert 'Example' in CliRunner().invoke(models, [*words, '--help']).output\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
