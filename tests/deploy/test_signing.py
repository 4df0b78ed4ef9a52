"""Versions that are signed: the board that holds the key starts no other, on CPython (a drive) and in MicroPython."""

import hashlib
import hmac
import json
import os
import stat
import zlib

import pytest
from make_small import PATH
from support import micropython

from l3host.cli import main
from l3host.deploy import payload, signing, steps
from l3host.deploy.targets import Drive
from l3host.errors import L3Error
from l3mote import signature, start

SMALL = str(PATH)
KEY, OTHER = bytes(range(32)), b"o" * 32
BOOT_OUT = "Adafruit CircuitPython 10.3.0 on 2024-11-20; Raspberry Pi Pico with rp2040\n"


@pytest.fixture
def drive(tmp_path):
    (tmp_path / "drive").mkdir()
    (tmp_path / "drive" / "boot_out.txt").write_text(BOOT_OUT)
    return tmp_path / "drive"


def version(word, key=None):
    made = payload.manifested("noise_monitor", {"model.l3m": word.encode() * 100})
    return payload.signed(made, key) if key else made


def bring(drive, word, key=None):
    steps.deploy(Drive(str(drive)), version(word, key), lambda folder: None, True)
    return version(word).version


def starts(drive):
    return start.running(str(drive / "l3"))[1]


def held(drive):
    return signature.key_in((drive / "l3" / "key").read_bytes())


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 16384])
def test_the_signature_is_python_s_own_hmac(size):
    data = bytes(i % 251 for i in range(size))
    assert signature.sign(KEY, [data[:10], data[10:]]) == hmac.new(KEY, data, hashlib.sha256).digest()


def test_micropython_signs_alike():
    printed = micropython(f"from l3mote import signature; print(signature.sign({KEY!r}, [b'data'] * 500).hex())")
    assert printed.strip() == hmac.new(KEY, b"data" * 500, hashlib.sha256).hexdigest()


def test_where_there_is_no_key_nothing_needs_a_signature(drive):
    assert starts(drive) is None
    assert bring(drive, "one") == starts(drive)
    assert bring(drive, "two", KEY) == starts(drive)


def test_with_a_key_only_what_it_signed_starts(drive):
    signed = bring(drive, "one", KEY)
    steps.install_key(Drive(str(drive)), KEY)
    assert starts(drive) == signed
    for key in (None, OTHER):
        unsigned = bring(drive, f"two {key}", key)
        _, started, complaints = start.running(str(drive / "l3"))
        assert started == signed and complaints == [f"version {unsigned} is damaged: signature"]
    assert bring(drive, "three", KEY) == starts(drive)


@pytest.mark.parametrize("change", ["flipped", "cut", "longer", "gone", "of another version", "no digits"])
def test_a_wrong_signature_is_none(change, drive):
    first = bring(drive, "one", KEY)
    second = bring(drive, "two", KEY)
    steps.install_key(Drive(str(drive)), KEY)
    path = drive / "l3" / second / "signature"
    good = path.read_bytes()
    signed = b"".join((drive / "l3" / second / name).read_bytes() for name in ("manifest", "model.l3m"))
    assert good == hmac.new(KEY, signed, hashlib.sha256).hexdigest().encode()
    if change == "gone":
        path.unlink()
    else:
        other = (drive / "l3" / first / "signature").read_bytes()
        flipped = good[:-1] + (b"0" if good[-1:] != b"0" else b"1")
        path.write_bytes(
            {"flipped": flipped, "cut": good[:-2], "longer": b"00" + good, "of another version": other, "no digits": b"x" * 64}[
                change
            ]
        )
    assert starts(drive) == first


def forged(data, crc):
    """Other bytes of the same length and CRC-32: four at the end make it right."""
    changed = bytearray(b"evil" + data[4:])
    table = [
        zlib.crc32(bytes([i])) ^ zlib.crc32(b"\0") for i in range(256)
    ]  # of each last byte, without what does not depend on it
    by_top = {table[i] >> 24: i for i in range(256)}
    want, indices = crc ^ 0xFFFFFFFF, []
    for _ in range(4):
        index = by_top[want >> 24]
        indices.insert(0, index)
        want = ((want ^ table[index]) << 8) & 0xFFFFFFFF
    register = zlib.crc32(changed[:-4]) ^ 0xFFFFFFFF
    for k, index in enumerate(indices):
        changed[len(data) - 4 + k] = (register ^ index) & 0xFF
        register = table[index] ^ (register >> 8)
    return bytes(changed)


def test_a_file_of_the_same_size_and_crc_is_no_substitute(drive):
    """The manifest has CRCs alone, which anyone can forge: the signature covers the files."""
    first, second = bring(drive, "one", KEY), bring(drive, "two", KEY)
    path = drive / "l3" / second / "model.l3m"
    path.write_bytes(forged(path.read_bytes(), zlib.crc32(path.read_bytes())))
    assert path.read_bytes().startswith(b"evil") and starts(drive) == second
    steps.install_key(Drive(str(drive)), KEY)
    assert starts(drive) == first


@pytest.mark.parametrize("stray", ["l3mote/plan.py", "json.py", "l3mote/app/__init__.py"])
def test_a_file_that_the_manifest_does_not_name_is_not_imported_instead_of_one_that_it_does(stray, drive):
    first, second = bring(drive, "one", KEY), bring(drive, "two", KEY)
    path = drive / "l3" / second / stray
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("print('evil')")
    (path.parent / "._plan.py").write_bytes(b"as macOS writes them")
    assert starts(drive) == second
    steps.install_key(Drive(str(drive)), KEY)
    assert starts(drive) == first
    path.unlink()
    assert starts(drive) == second


def test_in_micropython_too_only_what_the_key_signed_starts_and_nothing_is_loaded_where_there_is_no_key(drive):
    signed, unsigned = bring(drive, "one", KEY), bring(drive, "two")
    lib = drive / "lib"
    script = f"""
import sys; sys.path.append({str(lib)!r})
import l3start
print(l3start.running({str(drive / "l3")!r})[1], "l3sign" in sys.modules)
"""
    assert micropython(script).split() == [unsigned, "False"]
    steps.install_key(Drive(str(drive)), KEY)
    assert micropython(script).split() == [signed, "True"]
    (lib / "l3sign.py").write_text("")
    assert micropython(script).split()[0] == "None"


def test_a_checker_is_replaced_without_a_moment_in_which_nothing_starts(drive, monkeypatch):
    signed, target = bring(drive, "one", KEY), Drive(str(drive))
    steps.install_key(target, KEY)
    (drive / "lib" / "l3sign.py").write_text("# an older one")
    states = []
    monkeypatch.setattr(steps, "rewrite", lambda target, path, data: states.append((path[-9:], (drive / "l3" / "key").exists())))
    steps.install_checker(target)
    assert states == [("l3sign.py", False)] and starts(drive) == signed


def test_a_key_that_was_cut_short_is_no_key_and_the_next_deployment_mends_it(drive):
    """Else a power cut while it is written would leave a board on which nothing starts."""
    signed = bring(drive, "one", KEY)
    steps.install_key(Drive(str(drive)), KEY)
    path = drive / "l3" / "key"
    whole = path.read_bytes()
    for n in range(len(whole) - 1):
        path.write_bytes(whole[:n])
        assert held(drive) is None and starts(drive) == signed
    steps.install_key(Drive(str(drive)), KEY)
    assert held(drive) == KEY


def test_going_back_to_a_version_that_is_not_signed_is_refused(drive):
    bring(drive, "one")
    signed = bring(drive, "two", KEY)
    steps.install_key(Drive(str(drive)), KEY)
    with pytest.raises(L3Error, match=rf"is damaged \(signature\): the board keeps {signed}"):
        steps.rollback(Drive(str(drive)))
    assert steps.forget(Drive(str(drive)))["version"] == signed == starts(drive)
    assert held(drive) == KEY


def test_the_command(drive, tmp_path, capsys):
    key = tmp_path / "board.key"
    command = ["deploy", SMALL, "--port", str(drive), "--app", "none"]
    assert main([*command, "--sign", str(key), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["signed"] and starts(drive) == result["version"]
    assert stat.S_IMODE(os.stat(key).st_mode) == 0o600 and len(key.read_text().strip()) == 64
    assert held(drive) == bytes.fromhex(key.read_text())
    for more, given in (([], "none"), (["--sign", str(tmp_path / "other.key")], "another one")):
        assert main([*command, *more]) == 1
        said = capsys.readouterr().err
        assert f"the board starts only versions signed with its key, and --sign names {given}: name its key, or delete" in said
        assert starts(drive) == result["version"]
    assert main([*command, "--sign", str(key)]) == 0
    assert "now starts only what this key has signed: keep the file" in capsys.readouterr().out
    (drive / "l3" / "key").unlink()
    assert main(command) == 0


@pytest.mark.parametrize("text", ["", "ff" * 31, "ff" * 33, "zz" * 32, "\xff" * 64])
def test_a_file_that_is_not_a_key_is_refused(text, tmp_path):
    (tmp_path / "key").write_text(text, encoding="latin-1")
    with pytest.raises(L3Error, match="key is not a key, which has 64 hexadecimal digits"):
        signing.key_of(tmp_path / "key")


def test_sign_needs_a_model(capsys):
    assert main(["deploy", "--rollback", "--port", "x", "--sign", "key"]) == 1
    assert capsys.readouterr().err == "l3mote: --sign signs what is deployed: name a model\n"
