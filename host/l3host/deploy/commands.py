"""Arguments and handlers of deploy, monitor and bench; cli.py and commands.py only call these."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from l3host import app, show
from l3host.deploy import facts, payload, starting, steps, targets
from l3host.deploy.links import TOOLS, connected
from l3host.errors import L3Error
from l3host.files import claim_output
from l3host.load import open_reader
from l3mote import start
from l3mote.verify import verify

EXAMPLES = {
    "deploy": "l3mote deploy esc10 --port /dev/ttyACM0 --set sck=16 --set ws=17 --set sd=18",
    "monitor": "l3mote monitor --port /dev/ttyACM0 --csv street.csv",
    "bench": "l3mote bench esc10 --port /dev/ttyACM0",
}
PORT = "serial port of the board, or the folder where its CIRCUITPY drive is mounted"
APPS = ("noise_monitor", start.NO_APP)


def arguments(command: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """Add the commands. command: makes a sub-parser of a name and a description."""
    sub = command("deploy", "Bring package and model to a board, verified; unplugged on the way, it starts what it started before.")
    sub.add_argument("model", nargs="?", help="a .l3m file, or esc10, which ships with l3mote")
    sub.add_argument("--port", required=True, help=PORT)
    sub.add_argument("--tool", choices=[*TOOLS], default="mpremote", help="which of them talks to the board (default mpremote)")
    sub.add_argument("--app", choices=APPS, default=APPS[0], help=f"what main.py starts (default {APPS[0]}); none: yours")
    sub.add_argument("--mpy", action="store_true", help="precompiled or not at all (default: wherever the board allows it)")
    sub.add_argument("--set", type=app.setting, action="append", default=[], metavar="KEY=VALUE", help="a setting of the app")
    sub.add_argument("--rollback", action="store_true", help="start the version before this one again")

    sub = command("monitor", "Show what a board's app hears, live, until Ctrl-C; the board goes on. --json: its lines as they are.")
    sub.add_argument("--port", required=True, help="serial port of the board")
    sub.add_argument("--csv", metavar="FILE", help="write every event there, with the time of day")
    sub.add_argument("--force", action="store_true", help="overwrite FILE")

    sub = command("bench", "Time one window on a board, layer by layer.")
    sub.add_argument("model", nargs="?", help="copied for the while, and removed (default: the version that runs there)")
    sub.add_argument("--port", required=True, help="serial port of the board")
    sub.add_argument("--tool", choices=[*TOOLS], default="mpremote", help="which of them talks to the board (default mpremote)")


def target_of(port: str, link) -> tuple[targets.Target, facts.Facts]:
    """The board at the end of a link, or the drive (link is None), and what it is."""
    if link is None:
        drive = targets.Drive(port)
        return drive, facts.of_drive(port, drive.call("space", drive.root)[0])
    board = targets.Board(link)
    found = facts.of_board(board)
    board.root = "" if found.folder == "/" else found.folder
    return board, found


def deploy(args: argparse.Namespace) -> int:
    if bool(args.model) == args.rollback:
        raise L3Error("name a model to deploy, or --rollback and no model")
    if facts.is_drive(args.port):
        return deployed(args, *target_of(args.port, None))
    with connected(args.port, args.tool) as link:
        return deployed(args, *target_of(args.port, link))


def deployed(args: argparse.Namespace, target: targets.Target, found: facts.Facts) -> int:
    back = f"l3mote deploy --rollback --port {args.port}"
    if args.rollback:
        say = show.steps(args.json)
        result = steps.rollback(target) | {"board": found.name, "started": None}
        if isinstance(target, targets.Board):
            result["started"] = starting.check(target, result["version"], say)
        show.results(args.json, result, lambda: print_rolled_back(result))
        return 0
    kernel, cost = choose(args, found)
    kernels = ["ulab", "python"] if isinstance(target, targets.Drive) else [kernel]  # a drive's firmware may lack ulab
    precompiled = payload.can_precompile(found, args.mpy)
    files = payload.build(found, args.model, kernels, args.app, dict(args.set), precompiled)
    with show.bars(args.json) as bar:
        task, say = bar.add_task(files.version, total=files.bytes), show.steps(args.json)
        result = steps.deploy(
            target, files, lambda folder: selftest(target, folder, args.app), found.implementation == "circuitpython",
            lambda n: bar.advance(task, n), say,
        ) | {"started": None}  # fmt: skip
        if isinstance(target, targets.Board) and args.app != start.NO_APP:
            starting.try_out(target, result, say)
            result["started"] = True
    result |= {"board": found.name, "kernel": kernel, "precompiled": precompiled, "files": len(files.files), "bytes": files.bytes}
    result |= {"heap_needed": cost and cost["heap_needed"], "heap_free": found.heap}
    result |= {"rollback": back if result["before"] else None}
    show.results(args.json, result, lambda: print_deployed(result))
    return 0


def monitor(args: argparse.Namespace) -> int:
    from l3host.deploy.monitor import monitor as run

    run(args.port, claim_output(args.csv, args.force) if args.csv else None, args.json)
    return 0


def bench(args: argparse.Namespace) -> int:
    from l3host.deploy.bench import bench as run

    with connected(args.port, args.tool) as link, show.bars(args.json) as bar:
        board, found = target_of(args.port, link)
        task = bar.add_task("copied, then timed", total=None)
        result = {"board": found.name, **run(board, found, args.model, lambda n: bar.advance(task, n))}
    show.results(args.json, result, lambda: print_bench(result))
    return 0 if result["selftest"]["passed"] else 1


def print_bench(result: dict) -> None:
    whole = result["seconds_window"]
    parts = [("log-mel", result["seconds_frontend"]), *((layer["name"], layer["seconds"]) for layer in result["layers"])]
    table = show.table(f"{result['board']}, kernel {result['kernel']}", "part", "ms", "of a window")
    for name, seconds in (*parts, ("flash, Python", result["seconds_rest"]), ("window", whole)):
        table.add_row(name, f"{seconds * 1e3:.1f}", f"{seconds / whole:.1%}")
    show.out.print(table)
    flash, heap = show.size(result["flash_bytes_read"]), show.size(result["heap_bytes"])
    show.say(f"{flash} read from flash a window; the open model takes {heap} of heap")
    show.say("self-test passed" if result["selftest"]["passed"] else "the self-test fails on this board")


def choose(args: argparse.Namespace, found: facts.Facts) -> tuple[str, dict | None]:
    """facts.choose_kernel's answer, once model and settings are known to be sound. Raises L3Error, FormatError."""
    listening, given = args.app != start.NO_APP, dict(args.set)
    reader = open_reader(args.model)
    try:
        verify(reader)
        if listening:
            app.check(given, reader.labels, args.model)
        return facts.choose_kernel(found, reader, listening)
    finally:
        reader.close()


def selftest(target: targets.Target, folder: str, app: str) -> dict | None:
    """Run it on the board; a drive's board is not reached, there start.py checks every file when it starts."""
    if not isinstance(target, targets.Board):
        return None
    script = (targets.HERE / "board" / "selftest.py").read_text(encoding="utf-8")
    return target.fresh(f"FOLDER, APP = {folder!r}, {app!r}\n{script}")


def begins(result: dict) -> str:
    if result["started"]:
        return f"{result['version']} has started, and listens"
    if result["selftest"]:
        return f"{result['version']} is the board's version now"
    return f"it starts {result['version']} at its next reset: whether it listens, a drive cannot say; look at its serial port"


def instead(result: dict) -> str:
    return f", not {result['before']}" if result["before"] not in (None, result["version"]) else ""


def print_rolled_back(result: dict) -> None:
    verb = "has started again, and listens" if result["started"] else "is its version again"
    show.say(f"{result['board']}: {result['version']} {verb}{instead(result)}")


def print_deployed(result: dict) -> None:
    kind = ".mpy" if result["precompiled"] else ".py"
    show.say(f"{result['board']}: {result['files']} files ({kind}, kernel {result['kernel']}), {show.size(result['bytes'])}")
    show.say(f"copied {show.size(result['bytes_copied'])}; every file reads back as sent")
    if result["selftest"]:
        show.say(f"self-test passed on the board with kernel {result['selftest']['kernel']}")
    else:
        show.say("no self-test: the board cannot be asked through its drive; it checks each file whenever it starts")
    show.say(f"{begins(result)}{instead(result)}")
    if result["rollback"]:
        show.say(f"back to the version before: {result['rollback']}")
