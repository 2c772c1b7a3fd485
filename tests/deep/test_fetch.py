"""What is fetched is the file that was asked for, whole, or nothing; a server on this machine plays the world."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import torch
from click.testing import Result
from deep.toy_networks import Toy

from hybridfer.bank.cache import cache_folder
from hybridfer.deep.fetch import fetch_file, fetch_weights
from hybridfer.deep.weights import read_card, weights_names
from hybridfer.errors import OutputError, WeightsError
from hybridfer.tables import run_lock

Run = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("none_shipped")


@dataclass
class World:
    """A server with one file, which may cut the connection, know no ranges or send people elsewhere."""

    content: bytes
    url: str = ""
    cuts: list[int] = field(default_factory=list)
    """After how many bytes of its answer each connection is cut, the first to come first; then none is."""
    ranges: bool = True
    says_length: bool = True
    elsewhere: str = ""
    asked: list[str] = field(default_factory=list)
    """The range of each request; empty where it has none."""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def folder(self) -> Path:
        """Where what of the file is there lies."""
        return cache_folder() / "weights" / self.sha256


class Answers(BaseHTTPRequestHandler):
    def __init__(self, world: World, *args: object) -> None:
        self.world = world
        super().__init__(*args)  # type: ignore[arg-type]

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        world, said = self.world, self.headers.get("Range", "")
        world.asked.append(said)
        start = int(re.findall(r"\d+", said)[0]) if said and world.ranges else 0
        if not self.path.startswith("/toy.pt"):
            return self.send_error(404)
        if world.elsewhere:
            self.send_response(302)
            self.send_header("Location", world.elsewhere)
            return self.end_headers()
        if start >= len(world.content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(world.content) - 1}/{len(world.content)}")
        if world.says_length:
            self.send_header("Content-Length", str(len(world.content) - start))
        self.end_headers()
        rest = world.content[start:]
        self.wfile.write(rest[: world.cuts.pop(0)] if world.cuts else rest)


@pytest.fixture
def world(toy_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The server, whose file is a checkpoint of a toy."""
    monkeypatch.setenv("no_proxy", "*")
    made = World(toy_file.read_bytes())
    server = HTTPServer(("127.0.0.1", 0), partial(Answers, made))
    made.url = f"http://127.0.0.1:{server.server_port}/toy.pt"
    thread = threading.Thread(target=partial(server.serve_forever, 0.01))
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_checkpoint_is_fetched_checked_and_installed(world: World) -> None:
    told: list[tuple[int, int | None]] = []
    card = fetch_weights(
        world.url, "toy", world.sha256.upper(), name="mine", licence="MIT", watch=lambda *how: told.append(how)
    )
    assert (card.name, card.tensors, card.licence, card.origin) == ("mine", 9, "MIT", world.url)
    assert read_card("mine") == card
    assert told[-1] == (len(world.content), len(world.content))
    assert not world.folder.exists()


def test_a_connection_that_is_cut_goes_on_where_it_ended(world: World) -> None:
    world.cuts = [1000, 500]
    assert fetch_file(world.url, world.sha256).read_bytes() == world.content
    assert world.asked == ["", "bytes=1000-", "bytes=1500-"]


def test_what_is_there_is_kept_for_the_next_run(world: World) -> None:
    world.cuts = [1000, 0]
    with pytest.raises(WeightsError) as caught:
        fetch_weights(world.url, "toy", world.sha256)
    assert str(caught.value) == (
        f"{world.url} cannot be fetched: the connection was cut; 1000 bytes are kept, and the same command goes on "
        "from there. Check the address and the connection."
    )
    assert (world.folder / "toy.pt.part").read_bytes() == world.content[:1000]
    assert weights_names() == []
    world.asked.clear()
    assert fetch_weights(world.url, "toy", world.sha256).tensors == 9
    assert world.asked == ["bytes=1000-"]


def test_a_server_that_knows_no_ranges_is_asked_for_all_again(world: World) -> None:
    world.ranges, world.cuts = False, [1000]
    assert fetch_file(world.url, world.sha256).read_bytes() == world.content
    assert world.asked == ["", "bytes=1000-"]
    world.cuts = [1000, 1000]
    (world.folder / "toy.pt").unlink()
    with pytest.raises(WeightsError, match="the connection was cut; 1000 bytes are kept"):
        fetch_file(world.url, world.sha256)


def test_a_server_that_does_not_say_how_long_the_file_is_is_believed(world: World) -> None:
    world.says_length = False
    assert fetch_file(world.url, world.sha256).read_bytes() == world.content
    (world.folder / "toy.pt").unlink()
    world.cuts = [1000]  # nobody can tell this from the end; the hash does
    with pytest.raises(WeightsError, match="gives a file of SHA-256"):
        fetch_file(world.url, world.sha256)


def test_a_beginning_of_another_file_is_thrown_away(world: World) -> None:
    world.folder.mkdir(parents=True)
    (world.folder / "toy.pt.part").write_bytes(b"something else")
    assert fetch_file(world.url, world.sha256).read_bytes() == world.content
    assert world.asked == ["bytes=14-", ""]


def test_a_run_killed_when_all_was_there_needs_nothing_more(world: World) -> None:
    world.folder.mkdir(parents=True)
    (world.folder / "toy.pt.part").write_bytes(world.content)
    assert fetch_file(world.url, world.sha256).read_bytes() == world.content
    assert world.asked == [f"bytes={len(world.content)}-"]


def test_another_file_is_not_let_in(world: World) -> None:
    wrong = "0" * 64
    with pytest.raises(WeightsError) as caught:
        fetch_weights(world.url, "toy", wrong)
    assert str(caught.value) == (
        f"{world.url} gives a file of SHA-256 {world.sha256}, expected {wrong}: it is another file, or was changed on "
        "its way. Nothing is installed; compare both with what its publisher says."
    )
    assert weights_names() == []
    assert not list(cache_folder().rglob("toy.pt*"))


def test_a_file_that_does_not_fit_need_not_be_fetched_twice(world: World) -> None:
    with pytest.raises(WeightsError, match="does not fit resnet18"):
        fetch_weights(world.url, "resnet18", world.sha256)
    assert fetch_weights(world.url, "toy", world.sha256).network == "toy"
    assert world.asked == [""]


def test_addresses_that_give_nothing_are_named(world: World) -> None:
    with pytest.raises(WeightsError, match=r"/gone\.pt is not to be had: the server says 404 Not Found; check the ad"):
        fetch_file(world.url.replace("toy", "gone"), world.sha256)
    with pytest.raises(WeightsError, match=r"http://127.0.0.1:1/a cannot be fetched: Connection refused\. Check the"):
        fetch_file("http://127.0.0.1:1/a", world.sha256)
    for url, message in {
        "file:///etc/passwd": "file:///etc/passwd is no address on the web; expected https://",
        "toy.pt": "is no address on the web",
        "http://[::1/toy.pt": "is no address on the web",
    }.items():
        with pytest.raises(WeightsError, match=message):
            fetch_file(url, world.sha256)
    with pytest.raises(WeightsError, match="'abc' is no SHA-256; expected the file's 64 digits of 0 to f"):
        fetch_file(world.url, "abc")
    assert len(world.asked) == 1


def test_an_address_may_be_given_as_people_read_it(world: World) -> None:
    assert fetch_file(f"{world.url}/Größe 2.pt", world.sha256).read_bytes() == world.content


def test_no_server_sends_us_to_a_file_of_this_machine(world: World, tmp_path: Path) -> None:
    (tmp_path / "secret.pt").write_bytes(b"secret")
    world.elsewhere = f"file://{tmp_path}/secret.pt"
    with pytest.raises(WeightsError, match="is not to be had: the server says 302"):
        fetch_file(world.url, hashlib.sha256(b"secret").hexdigest())
    assert not list(cache_folder().rglob("*.pt"))


def test_what_is_secret_in_an_address_is_neither_told_nor_kept(world: World) -> None:
    card = fetch_weights(f"{world.url}?key=hidden", "toy", world.sha256)
    assert card.origin == world.url
    with pytest.raises(WeightsError) as caught:
        fetch_file("http://me:hidden@127.0.0.1:1/toy.pt?key=hidden", world.sha256)
    assert "hidden" not in str(caught.value)


def test_a_full_disk_is_named(world: World) -> None:
    world.folder.mkdir(parents=True)
    (world.folder / "toy.pt.part").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"toy\.pt\.part cannot be written: No space left on device; is the disk ful"):
        fetch_file(world.url, world.sha256)


def test_one_run_at_a_time_fetches_a_file(world: World) -> None:
    world.folder.mkdir(parents=True)
    with run_lock(world.folder), pytest.raises(OutputError, match="Another run is fetching this file; wait for it"):
        fetch_file(world.url, world.sha256)
    assert world.asked == []


def test_the_command_fetches_with_all_that_import_can_be_told(world: World, run: Run) -> None:
    result = run(
        *("models", "fetch", world.url, "--network", "toy", "--sha256", world.sha256, "--name", "mine"),
        *("--labels", "happy,sad,fear,neutral", "--size", "40", "--mean", "0.5"),
    )
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == ("9 tensors of toy → mine, as in toy@LAYER:weights=mine, or hybridfer predict mine\n")
    card = read_card("mine")
    assert (card.labels, card.size, card.mean) == (("happiness", "sadness", "fear", "neutral"), 40, (0.5,) * 3)
    assert run("models", "fetch", world.url, "--network", "toy").exit_code == 2
    assert world.asked == [""]


@pytest.mark.parametrize("how", ["option", "of all", "environment"])
def test_offline_no_server_is_asked(world: World, run: Run, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["models", "fetch", world.url, "--network", "toy", "--sha256", world.sha256]
    if how == "environment":
        monkeypatch.setenv("HYBRIDFER_OFFLINE", "1")
    result = run(*(["--offline"] * (how == "of all")), *words, *(["--offline"] * (how == "option")))
    assert result.exit_code == 1
    assert result.stderr == (
        f"hybridfer: {world.url} is not fetched: the network must not be used (--offline, or HYBRIDFER_OFFLINE). "
        "Fetch it where that is allowed and run `hybridfer models import FILE`.\n"
    )
    assert world.asked == []
    monkeypatch.setenv("HYBRIDFER_OFFLINE", "0")
    assert run(*words).exit_code == 0


def test_a_file_of_many_packets_comes_whole(world: World, tmp_path: Path) -> None:
    state = {**Toy(classes=4).state_dict(), "conv.weight": torch.rand(2, 3, 3, 3)}
    torch.save({"net": state, "padding": torch.zeros(1_000_000)}, tmp_path / "large.pt")
    world.content = (tmp_path / "large.pt").read_bytes()
    world.cuts = [700_000]
    assert fetch_file(world.url, world.sha256).read_bytes() == world.content
    assert world.asked == ["", "bytes=700000-"]
