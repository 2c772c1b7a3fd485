"""What ``hybridfer doctor`` promises."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest
from click.testing import Result

from hybridfer import health
from hybridfer.errors import HybridferError
from hybridfer.health.base import Note

Run = Callable[..., Result]


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three checks: one well, one absent, one that broke off with two lines."""

    def broken() -> str:
        raise RuntimeError("no\nkernel")

    checks = {"well": lambda: "as it should be", "absent thing": lambda: Note("none here"), "broken": broken}
    monkeypatch.setattr(health, "checks", lambda device: checks)


OFF = "RuntimeError: no kernel; the check broke off. Install again what this names, or report this line."


def test_it_prints_a_line_a_check_aligned_and_ends_with_1_when_one_is_off(run: Run, three: None) -> None:
    result = run("doctor")
    assert result.stdout.splitlines() == [
        "ok    well          as it should be",
        "note  absent thing  none here",
        f"off   broken        {OFF}",
    ]
    assert (result.exit_code, result.stderr) == (1, "1 ok, 1 notes, 1 off\n")


def test_json_is_a_list_and_jsonl_a_line_a_check(run: Run, three: None) -> None:
    expected = [
        {"status": "ok", "name": "well", "found": "as it should be"},
        {"status": "note", "name": "absent thing", "found": "none here"},
        {"status": "off", "name": "broken", "found": OFF},
    ]
    whole, lines = (run("doctor", "--format", fmt) for fmt in ("json", "jsonl"))
    assert json.loads(whole.stdout) == expected and whole.stdout.count("\n") == 1
    assert [json.loads(line) for line in lines.stdout.splitlines()] == expected
    assert whole.exit_code == lines.exit_code == 1


def test_quiet_prints_only_what_is_off(run: Run, three: None) -> None:
    result = run("doctor", "--quiet")
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout == f"off   broken        {OFF}\n"
    assert len(json.loads(run("doctor", "--quiet", "--format", "json").stdout)) == 1


def test_notes_alone_are_no_fault(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "checks", lambda device: {"absent": lambda: Note("none here")})
    assert run("doctor").exit_code == 0
    assert run("doctor", "--quiet").stdout == ""


def test_the_device_reaches_the_checks(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def checks(device: str) -> dict[str, health.Check]:
        return {"gpu": health_of(device)}

    def health_of(device: str) -> health.Check:
        def check() -> str:
            raise HybridferError(f"asked for {device}; use another.")

        return check

    monkeypatch.setattr(health, "checks", checks)
    assert run("doctor", "--device", "cuda:7", "--quiet").stdout == "off   gpu  asked for cuda:7; use another.\n"


def test_this_installation_is_well() -> None:
    command = [sys.executable, "-m", "hybridfer", "doctor", "--format", "jsonl"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    findings = [json.loads(line) for line in found.stdout.splitlines()]
    assert found.returncode == 0, [finding for finding in findings if finding["status"] == "off"]
    assert [finding["name"] for finding in findings] == list(health.checks())
    assert all(finding["found"] for finding in findings)
    assert found.stderr == f"{_count(findings, 'ok')} ok, {_count(findings, 'note')} notes, 0 off\n"


def _count(findings: list[dict[str, str]], status: str) -> int:
    return sum(finding["status"] == status for finding in findings)
