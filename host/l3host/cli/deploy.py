"""`l3mote deploy`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from l3host.cli.arguments import PORT, setting, tool
from l3host.errors import L3Error
from l3host.show import bars, results, say, size
from l3host.show import steps as show_steps
from l3mote import start

if TYPE_CHECKING:
    from l3host.boards.estimates import Fit
    from l3host.deploy import facts, targets
    from l3host.deploy.payload import Payload
    from l3host.deploy.steps import Say

HELP = "Copy package and model to a board and verify them; if that is interrupted, the board starts its previous version."
EXAMPLE = "l3mote deploy esc10 --port /dev/ttyACM0 --set sck=16 --set ws=17 --set sd=18"
APPS = ("noise_monitor", start.NO_APP)


def arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("model", nargs="?", help="a .l3m file, or one that ships with l3mote: esc10 or l3-64")
    sub.add_argument("--port", required=True, help=PORT)
    tool(sub)
    sub.add_argument(
        "--app", choices=APPS, default=APPS[0], help=f"app that main.py starts (default {APPS[0]}); none: your own main.py"
    )
    sub.add_argument(
        "--mpy",
        action="store_true",
        help="fail if it cannot precompile (default: precompile where the board allows it)",
    )
    sub.add_argument("--set", type=setting, action="append", default=[], metavar="KEY=VALUE", help="a setting of the app")
    sub.add_argument(
        "--sign",
        type=Path,
        metavar="KEY",
        help="sign the version; the board then starts only what KEY (a file, made if missing) has signed",
    )
    sub.add_argument("--rollback", action="store_true", help="go back to the previous version")
    sub.add_argument("--forget", action="store_true", help="remove the previous version, with the passwords in its settings")


def run(args: argparse.Namespace) -> int:
    from l3host.deploy import facts
    from l3host.deploy.links import connected, port_of

    if [bool(args.model), args.rollback, args.forget].count(True) != 1:
        raise L3Error("name a model to deploy, or --rollback or --forget and no model")
    if args.sign and not args.model:
        raise L3Error("--sign signs what is deployed: name a model")
    args.port = port_of(args.port)
    work = roll_back if args.rollback else forget if args.forget else deploy
    if facts.is_drive(args.port):
        return work(args, *target_of(args.port, None))
    with connected(args.port, args.tool) as link:
        return work(args, *target_of(args.port, link))


def roll_back(args: argparse.Namespace, target: targets.Target, board_facts: facts.Facts) -> int:
    from l3host.deploy import starting, steps, targets

    result = steps.rollback(target) | {"board": board_facts.name, "started": None}
    if isinstance(target, targets.Board):
        result["started"] = starting.check(target, result["version"], show_steps(args.json))
    results(args.json, result, lambda: print_rolled_back(result))
    return 0


def forget(args: argparse.Namespace, target: targets.Target, board_facts: facts.Facts) -> int:
    from l3host.deploy import steps

    result = steps.forget(target) | {"board": board_facts.name}
    gone = ", ".join(result["removed"]) or "nothing"
    results(args.json, result, lambda: say(f"{board_facts.name} keeps {result['version']}; removed: {gone}"))
    return 0


def deploy(args: argparse.Namespace, target: targets.Target, board_facts: facts.Facts) -> int:
    from l3host.deploy import payload, targets
    from l3host.package import broker
    from l3host.package.library import KERNELS_OF_CIRCUITPYTHON

    tell = show_steps(args.json)
    key = key_for(args.sign, target, board_facts)
    kernel, cost = choose(args, board_facts)
    if warning := broker.in_clear_text(dict(args.set)):
        tell(warning)
    kernels = KERNELS_OF_CIRCUITPYTHON if isinstance(target, targets.Drive) else (kernel,)  # a drive's firmware may lack ulab
    precompiled = payload.can_precompile(board_facts, args.mpy)
    files = payload.build(board_facts, args.model, kernels, args.app, dict(args.set), precompiled)
    if key:
        files = payload.signed(files, key)
    result = placed(args, target, board_facts, files, tell)
    result["started"] = start_it(target, files, key, result, tell)
    result |= {
        "board": board_facts.name,
        "signed": bool(key),
        "kernel": kernel,
        "precompiled": precompiled,
        "files": len(files.files),
        "bytes": files.bytes,
        "heap_needed": cost and cost["heap_needed"],
        "heap_free": board_facts.heap,
        "rollback": f"l3mote deploy --rollback --port {args.port}" if result["before"] else None,
        "emitter_fault": board_facts.emitter_fault,
    }
    results(args.json, result, lambda: print_deployed(result))
    return 0


def key_for(path: Path | None, target: targets.Target, board_facts: facts.Facts) -> bytes | None:
    """Return the key to sign with. Raises L3Error where the board cannot check signatures, or wants another key's."""
    from l3host.deploy import signing, steps

    if path and not board_facts.hashlib:
        raise L3Error(f"{board_facts.name}: this firmware has no hashlib, so it cannot check a signature: leave out --sign")
    key = signing.key_of(path) if path else None
    steps.check_key(target, key)
    return key


def placed(args: argparse.Namespace, target: targets.Target, board_facts: facts.Facts, files: Payload, tell: Say) -> dict:
    """Copy a version, test it on the board and make it the one that starts; return what steps.deploy does."""
    from l3host.deploy import steps

    circuitpython = board_facts.implementation == "circuitpython"
    with bars(args.json) as bar:
        task = bar.add_task(files.version, total=files.bytes)
        result = steps.deploy(
            target,
            files,
            lambda folder: selftest(target, folder, args.app),
            circuitpython,
            lambda copied: bar.advance(task, copied),
            tell,
        )
    if args.app != start.NO_APP and (warning := steps.room_for_lines(target, dict(args.set))):
        tell(warning)
    return result


def start_it(target: targets.Target, files: Payload, key: bytes | None, placed: dict, tell: Say) -> bool | None:
    """Start the new version, and leave the key on the board if that has none. Return whether it listens, None if nothing starts.

    The key comes last: a board that has one refuses the unsigned version that it may have to go back to.
    """
    from l3host.deploy import starting, steps, targets

    missing = key if key and not steps.check_key(target, key) else None
    if isinstance(target, targets.Board) and files.app != start.NO_APP:
        starting.try_out(target, placed, tell)
        if missing:
            starting.with_key(target, files.version, missing, tell)
        return True
    if missing:
        steps.install_key(target, missing)
    return None


def choose(args: argparse.Namespace, board_facts: facts.Facts) -> tuple[str, Fit | None]:
    """Check model and settings, then return what facts.choose_kernel does. Raises L3Error, FormatError."""
    from l3host.deploy import facts
    from l3host.l3m.load import open_reader
    from l3host.package import app_settings
    from l3mote.verify import verify

    listening, given = args.app != start.NO_APP, dict(args.set)
    reader = open_reader(args.model)
    try:
        verify(reader)
        if listening:
            app_settings.check(given, reader, args.model, board_facts.has)
        mqtt, tls = bool(given.get("mqtt_host")), bool(given.get("mqtt_tls"))
        kernel, fit = facts.choose_kernel(board_facts, reader, listening, mqtt, tls)
        if listening and (warning := facts.too_slow(board_facts, kernel, reader)):
            show_steps(args.json)(warning)
        return kernel, fit
    finally:
        reader.close()


def selftest(target: targets.Target, folder: str, app: str) -> dict | None:
    """Run the self-test on the board. None for a drive: its board cannot be reached; start.py checks every file when it starts."""
    from l3host.deploy import answers, remote, targets

    if not isinstance(target, targets.Board):
        return None
    script = remote.source("selftest")
    return target.fresh(f"FOLDER, APP = {folder!r}, {app!r}\n{script}", answers.SELFTEST)


def begins(result: dict) -> str:
    if result["started"]:
        return f"{result['version']} has started, and listens"
    if result["selftest"]:
        return f"{result['version']} is the board's version now"
    return f"the board starts {result['version']} at its next reset; a drive cannot say whether it listens: look at its serial port"


def instead(result: dict) -> str:
    return f", in place of {result['before']}" if result["before"] not in (None, result["version"]) else ""


def print_rolled_back(result: dict) -> None:
    verb = "has started again, and listens" if result["started"] else "is its version again"
    say(f"{result['board']}: {result['version']} {verb}{instead(result)}")


def print_deployed(result: dict) -> None:
    kind = ".mpy" if result["precompiled"] else ".py"
    say(f"{result['board']}: {result['files']} files ({kind}, kernel {result['kernel']}), {size(result['bytes'])}")
    say(f"copied {size(result['bytes_copied'])}; every file reads back as sent")
    if result["emitter_fault"]:
        say(f"{result['board']}: {result['emitter_fault']}; l3mote avoids it; flash newer firmware for code of your own")
    if result["selftest"]:
        say(f"self-test passed on the board with kernel {result['selftest']['kernel']}")
    else:
        say("no self-test: a board cannot run it through its drive; it checks each file whenever it starts")
    say(begins(result) + instead(result))
    if result["signed"]:
        say(f"{result['board']} now starts only what this key has signed: keep the file")
    if result["rollback"]:
        say(f"back to the previous version: {result['rollback']}")


def target_of(port: str, link) -> tuple[targets.Target, facts.Facts]:
    """Return the board at the end of a link, or the drive (link is None), and its facts."""
    from l3host.deploy import facts, targets

    if link is None:
        drive = targets.Drive(port)
        return drive, facts.of_drive(port, drive.call("space", drive.root)[0])
    board = targets.Board(link)
    board_facts = facts.of_board(board)
    board.root = "" if board_facts.folder == "/" else board_facts.folder
    return board, board_facts
