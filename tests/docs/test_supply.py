"""What `make setup` and `make emulators` bring is what was looked at: versions with hashes, no scripts, Debian's signatures."""

import json
import re

from support import ROOT

LOCKS = ROOT / "tools" / "locks"


def test_every_python_package_is_locked_with_a_hash():
    assert {path.name for path in LOCKS.glob("*.txt")} >= {"run.txt", "dev.txt", "uv.txt"}
    for path in LOCKS.glob("*.txt"):
        locked = re.split(r"^(?=[a-z0-9])", path.read_text(), flags=re.MULTILINE)[1:]
        assert locked
        for requirement in locked:
            assert re.match(r"[\w.\[\]-]+==\S+", requirement) and "--hash=sha256:" in requirement, requirement


def test_every_npm_package_is_locked_with_a_hash_and_none_runs_a_script():
    packages = json.loads((LOCKS / "node" / "package-lock.json").read_text())["packages"]
    named = {name: package for name, package in packages.items() if name}
    assert named and all(package["integrity"].startswith("sha512-") for package in named.values())
    assert not any(package.get("hasInstallScript") for package in named.values())


def test_installing_asks_for_the_hashes_and_runs_no_scripts():
    recipes = (ROOT / "Makefile").read_text()
    installs = [line.strip() for line in recipes.splitlines() if line.strip(" \t@").startswith("$(PIP) ")]
    own = [line for line in installs if line.endswith("-e .")]
    assert len(own) == 1 and "--no-deps" in own[0]
    locked = [line for line in installs if line not in own]
    assert len(locked) > 2 and all("--require-hashes -r $(LOCKS)/" in line for line in locked)
    assert "npm ci" in recipes and all("--ignore-scripts" in line for line in recipes.splitlines() if "npm ci" in line)


def test_debian_s_parts_are_verified_by_debian_s_key():
    script = (ROOT / "tools" / "emulators.sh").read_text()
    assert "debian-archive-keyring.gpg" in script and "signed-by" in script.lower()
    for lax in ("allow-unauthenticated", "trusted=yes", "AllowInsecure", "curl ", "wget "):
        assert lax.lower() not in script.lower()
