"""Nothing but ``models fetch`` opens a socket, whatever is asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT_SOCKETS = """
import sys

def refuse(event, arguments):
    if event.startswith("socket.") and event != "socket.gethostname":
        raise SystemExit(f"the network was used: {event} {arguments}")

sys.addaudithook(refuse)
from hybridfer.__main__ import main
sys.argv = ["hybridfer", *sys.argv[1:]]
main()
"""


def program(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the program in a process whose first socket is its end."""
    return subprocess.run([sys.executable, "-c", WITHOUT_SOCKETS, *map(str, words)], capture_output=True, text=True)


def test_the_guard_sees_what_it_is_to_see() -> None:
    result = program("models", "fetch", "http://127.0.0.1:1/a.pt", "--network", "arm", "--sha256", "0" * 64)
    assert "the network was used: socket." in result.stderr


def test_offline_is_refused_before_any_socket() -> None:
    words = ("fetch", "http://127.0.0.1:1/a.pt", "--network", "arm", "--sha256", "0" * 64)
    result = program("--offline", "models", *words)
    assert result.returncode == 1
    assert "the network must not be used" in result.stderr


@pytest.mark.slow
def test_no_other_command_opens_one(face_folder: Path, tmp_path: Path) -> None:
    bank, model, net = tmp_path / "a.parquet", tmp_path / "a.model", tmp_path / "net.model"
    labelled = ("--labels", "folder", "--detector", "none")
    picture = next(face_folder.rglob("*.png"))
    for words in (
        ("--help",),
        ("list", "descriptors"),
        ("list", "networks"),
        ("models", "list"),
        ("models", "verify"),
        ("doctor",),
        ("datasets", "check", face_folder),
        ("detect", picture),
        ("align", picture, "-o", tmp_path / "crops"),
        ("similarity", picture, picture),
        ("extract", face_folder, *labelled, "-f", "lbp", "-f", "resnet18@layer1:untrained=true", "-o", bank),
        ("svm-train", bank, "-o", model, "--cv", "2"),
        ("svm-predict", model, picture),
        ("train", "resnet18", face_folder, *labelled, "--width=0.125", "--size=24", "--epochs=1", "-o", net),
        ("predict", net, picture),
        ("evaluate", model, bank, "-o", tmp_path / "report"),
        ("cache", "info"),
        ("bank", "info", bank),
    ):
        result = program(*words)
        assert "the network was used" not in result.stderr, words
        assert result.returncode == 0, (words, result.stderr)
