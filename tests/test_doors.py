"""A fresh clone works with one command, anywhere, and holds nothing of the machine that it was made on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKS = ["requirements.lock", "requirements-test.lock", "requirements-uv.lock"]

# A Python that can be set up without a network: venv copies it, pip only talks, and what it runs is shown.
FAKE_PYTHON = """#!/bin/sh
case "$1 $2" in
    *_base_executable*) echo "$0" ;;
    *fcntl*) exec '{real}' "$@" ;;
    -c*) ;;
    "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    "-m pip") echo "pip says something"; exit "${{PIP_EXIT:-0}}" ;;
    *) printf '%s\\n' "$@" ;;
esac
"""


class Checkout:
    """A copy of the script and its lock files in a place of its own, on a machine with nothing but these programs."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "check out"
        self.programs = directory / "programs"
        self.elsewhere = directory / "elsewhere"
        for made in (self.root, self.programs, self.elsewhere):
            made.mkdir()
        for name in ["greenroom", *LOCKS]:
            shutil.copy(ROOT / name, self.root)
        for program in ["cat", "chmod", "cksum", "cp", "dirname", "grep", "mkdir", "mv", "readlink", "rm", "sh"]:
            self.programs.joinpath(program).symlink_to(shutil.which(program) or "")

    def add_python(self, name: str, text: str = FAKE_PYTHON) -> None:
        program = self.programs / name
        program.write_text(text.format(real=sys.executable))
        program.chmod(0o755)

    def change_lock(self) -> None:
        with (self.root / "requirements.lock").open("a") as lock:
            lock.write("# changed\n")

    def start(
        self, *arguments: str, script: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [script or self.root / "greenroom", *arguments],
            cwd=self.elsewhere,
            env={"PATH": str(self.programs), **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def ran(self, *arguments: str) -> str:
        """What is printed when the command itself is run with these arguments."""
        return "\n".join([str(self.root / ".venv/bin/greenroom"), *arguments, ""])


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_only_the_command_itself_writes_to_stdout(checkout: Checkout) -> None:
    checkout.add_python("python3")
    first = checkout.start("token", "create", "--name", "two words")
    assert first.stdout == checkout.ran("token", "create", "--name", "two words")
    assert "Setting up (first run, about 20 seconds)" in first.stderr


def test_a_second_start_is_instant_from_anywhere(checkout: Checkout) -> None:
    checkout.add_python("python3")
    checkout.start("--help")
    checkout.programs.joinpath("python3").unlink()
    link = checkout.elsewhere / "gr"
    link.symlink_to("../check out/greenroom")

    second = checkout.start("up", script=link)

    assert (second.stdout, second.stderr) == (checkout.ran("up"), "")


def test_a_changed_lock_file_is_set_up_again(checkout: Checkout) -> None:
    checkout.add_python("python3")
    checkout.start("--help")
    checkout.change_lock()
    assert "Setting up (requirements changed" in checkout.start("--help").stderr
    assert checkout.start("--help").stderr == ""


@pytest.mark.parametrize("set_up_before", [False, True])
def test_an_interrupted_set_up_is_made_anew(checkout: Checkout, set_up_before: bool) -> None:
    checkout.add_python("python3")
    if set_up_before:
        checkout.start("--help")
        checkout.change_lock()
    failed = checkout.start("--help", PIP_EXIT="1")
    assert failed.returncode != 0
    assert "Setting up failed" in failed.stderr
    half_installed = checkout.root / ".venv/half_installed"
    half_installed.touch()

    repaired = checkout.start("up")

    assert repaired.stdout == checkout.ran("up")
    assert not half_installed.exists()


def test_a_checkout_that_was_moved_is_set_up_again(checkout: Checkout) -> None:
    checkout.add_python("python3")
    checkout.start("--help")
    checkout.root = checkout.root.rename(checkout.root.with_name("moved"))
    moved = checkout.start("up")
    assert moved.stdout == checkout.ran("up")
    assert "Setting up (first run" in moved.stderr


def test_two_first_starts_do_not_disturb_each_other(checkout: Checkout) -> None:
    checkout.add_python("python3")
    starts = [
        subprocess.Popen(
            [checkout.root / "greenroom", "up"],
            env={"PATH": str(checkout.programs)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    results = [start.communicate() for start in starts]
    assert [printed for printed, _ in results] == [checkout.ran("up")] * 4
    assert sum("Setting up" in said for _, said in results) == 1


def test_a_newer_python_is_found_beside_an_old_one(checkout: Checkout) -> None:
    checkout.add_python("python3", "#!/bin/sh\n")
    checkout.add_python("python3.13")
    assert checkout.start("up").stdout == checkout.ran("up")


@pytest.mark.parametrize("names", [[], ["python3"]], ids=["none", "old"])
def test_without_a_python_it_says_what_to_install(checkout: Checkout, names: list[str]) -> None:
    for name in names:
        checkout.add_python(name, "#!/bin/sh\n")
    refused = checkout.start("up")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        "Greenroom needs Python 3.11 or newer: install it (apt, dnf or brew install python3) and start again.\n"
    )


def test_without_the_venv_module_it_says_what_to_install(checkout: Checkout) -> None:
    checkout.add_python("python3", '#!/bin/sh\ncase "$2" in *_base_executable*) echo "$0" ;; *) exit 1 ;; esac\n')
    refused = checkout.start("up")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "needs Python's venv module" in refused.stderr
    assert "apt install python3-venv" in refused.stderr
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [["sh", "-n", "greenroom"], ["bash", "-n", ".ci/run"]], ids=" ".join)
def test_a_script_parses(command: list[str]) -> None:
    subprocess.run(command, cwd=ROOT, check=True)


def pins(lock: str) -> dict[str, str]:
    """Package -> version, of a lock file whose every entry has hashes."""
    entries = re.findall(r"^([\w.-]+)==(\S+)(?: ;.*)? \\\n    --hash=sha256:", (ROOT / lock).read_text(), re.MULTILINE)
    return dict(entries)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_hashes(lock: str) -> None:
    assert len(pins(lock)) == len(re.findall(r"^[^\s#]", (ROOT / lock).read_text(), re.MULTILINE)) > 0


def test_the_lock_files_agree_with_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {
        "requirements.lock": project["project"]["dependencies"],
        "requirements-test.lock": project["project"]["optional-dependencies"]["test"],
        "requirements-uv.lock": project["dependency-groups"]["setup"],
    }
    for lock, requirements in wanted.items():
        locked = pins(lock)
        for requirement in map(Requirement, requirements):
            assert requirement.specifier.contains(locked.get(canonicalize_name(requirement.name), "")), requirement


def test_the_tests_run_with_what_production_runs_with() -> None:
    assert pins("requirements.lock").items() <= pins("requirements-test.lock").items()


# The brackets keep the pattern from finding itself.
OF_ONE_MACHINE = re.compile(
    r"p[y]pi\.org|python[h]osted|registry\.n[p]mjs|deb\.d[e]bian"
    r"|^--(?:index-url|extra-index-url|find-links)"
    r"|(?<![\w.])/(?:work|farm|root|home|Users)/",
    re.MULTILINE,
)


def text_files() -> Iterator[tuple[Path, str]]:
    for directory, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name in {".ci", ".github"} or not name.startswith((".", "__"))]
        for path in (Path(directory, name) for name in names):
            try:
                yield path.relative_to(ROOT), path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue


def test_no_file_names_a_package_index_or_a_place_on_a_machine() -> None:
    """Any mirror must serve, and any directory must do."""
    named = [f"{path}: {match[0]}" for path, text in text_files() for match in OF_ONE_MACHINE.finditer(text)]
    assert named == []
