"""Write BENCHMARKS.md's section on cores: a row for each, EdgeL3 on the LX7, and peers on the same cores."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from bench_table import short, table

import l3mote
from l3host.architectures import ARCHITECTURES
from l3host.boards.table import BOARDS, PSRAM
from l3host.boards.traffic import moved
from l3host.emulate.qemu import MACHINES
from l3host.l3m.load import open_reader
from l3mote.format import CONV
from l3mote.kernels import integer
from l3mote.plan import Plan, tile_widths
from l3mote.strips import used_cols

SHIPPED, SHAPE, EDGE = "shipped esc10", "32->32, 32x25", "EdgeL3"
DENSITIES = (1.0, 0.5, 0.1, 0.05)
EDGE_HEAPS = (8 << 20, 512 << 10)  # bytes
CORES = {"rp2040": "Cortex-M0+, cycles", **{name: machine.core for name, machine in MACHINES.items()}}
CORES_HEAD = f"""\
## Cores

The shipped model and the layer {SHAPE} on each core: cycles of an emulated RP2040, and instructions in QEMU, which a board needs
more cycles for. The LX7 is emulated without caches, flash and PSRAM, and without the ESP32-S3's vector unit; it is not an ESP32-S3.
"""
PEERS_HEAD = f"""\
### Peers on the same cores

Instructions a multiply-accumulate of one dense layer {SHAPE}, 3x3, measured on 2026-11-30 in QEMU; each peer's own C at -O3, with
zeros at the border counted as products. Not measured by `make bench`. Peers take 8 bits of weight, and no zeros are left out;
l3mote's figure above has a pool and the decoding of the weights in it.
"""
PEERS = [
    ["CMSIS-NN, 15 July 2026: `arm_convolve_s16` (32-bit bias; SMLAD)", "Cortex-M4, Cortex-M33", "2.16"],
    ["the same: `arm_convolve_s8`", "Cortex-M4, Cortex-M33", "1.93"],
    ["TinyMaix, 5 February 2025: `tml_conv2d_dwconv2d`, int8, plain C", "Xtensa LX7", "6.70"],
    ["esp-nn, 27 April 2026: `esp_nn_conv_s8_opt`, plain C, no vector unit", "Xtensa LX7", "8.81"],
]


S3 = BOARDS["esp32s3-psram"]
EDGE_TEXT = """\
### The whole EdgeL3 on the LX7

95.45 % zeros, a second of 48 kHz in 256 bands; random weights, which cost the same. Seconds: instructions at 240 MHz, one a cycle
assumed, and in 8 MB the bytes of planes that move from and to PSRAM at {rate:.0f} MB/s, which is a guess, in parts that suit its
cache. No ESP32-S3 has 512 kB of its own RAM to spare.
"""


def runs_on_cores(subject, cores: list[str]):
    """Yield (subject, runtime, kernel) of the shipped model and of the layers of one shape, besides what runs everywhere."""
    for runtime in cores:
        if subject.title == SHIPPED:
            yield from ((subject, runtime, kernel) for kernel in subject.kernels)
        elif (subject.title == SHAPE and subject.density) or (subject.title == EDGE and runtime == "lx7"):
            yield subject, runtime, "native"


def core_rows(results: list) -> list[list[str]]:
    """Return a row for each core: its architecture's module, windows of the shipped model, and the cost of a MAC by density."""
    rows = []
    for runtime, core in CORES.items():
        mine = {(r.subject.title, r.subject.density, r.kernel): r for r in results if r.runtime == runtime and not r.problem}
        native, viper = (mine.get((SHIPPED, None, kernel)) for kernel in ("native", "viper"))
        if not native or not viper:
            continue
        arch = next(name for name, arch in ARCHITECTURES.items() if runtime in arch.runtimes)
        module = (Path(l3mote.__file__).parent / "kernels" / f"l3native_{arch}.mpy").stat().st_size
        layers = [r for density in DENSITIES if (r := mine.get((SHAPE, density, "native")))]
        rows.append([
            core, f"`{runtime}`", arch, f"{module:,}", *map(short, (native.window, viper.window, native.frame)),
            *(short(r.layer.per_mac) for r in layers), bits(native, viper, *layers),
        ])  # fmt: skip
    return rows


def bits(*results) -> str:
    return "equal" if all(r.facts["selftest"] for r in results) else "DIFFERENT"


def core_columns() -> list[str]:
    shares = [f"a MAC, {'dense' if density == 1 else f'{density:.0%}'}" for density in DENSITIES]
    return ["core", "runtime", "module", "its bytes", "window, native", "window, viper", "log-mel frame", *shares, "bits"]


def plan_of(path: Path, facts: dict) -> Plan:
    """Return the plan that was run."""
    with closing(open_reader(str(path))) as reader:
        last = [layer for layer in reader.layers if layer.kind == CONV][-1]
        width = next(width for width in tile_widths(last) if -(-used_cols(last) // width) == facts["tiles"])
        return Plan(reader, integer, facts["heights"], width).count()


def edge_rows(results: list) -> list[list[str]]:
    rows = []
    for r in results:
        if r.subject.title == EDGE and not r.problem:
            plan, external = plan_of(r.subject.path, r.facts), r.subject.heap > 1 << 20
            planes = moved(plan, integer.itemsize, external)
            taken = r.window / S3.hertz + (planes / PSRAM.bytes_per_second if external else 0)
            rows.append([
                f"{r.subject.heap >> 10} kB", str(r.facts["tiles"]), *map(short, (plan.macs, r.window)), f"{planes / 1e6:.0f} MB",
                f"{plan.flash_bytes / 1e6:.1f} MB", f"{taken:.0f}", bits(r),
            ])  # fmt: skip
    return rows


def parts(results: list) -> list[str]:
    edge = ["heap", "tiles", "MACs", "instructions a window", "planes move", "flash read", "seconds on an S3, derived", "bits"]
    return [
        CORES_HEAD, table(core_columns(), core_rows(results)),
        EDGE_TEXT.format(rate=PSRAM.bytes_per_second / 1e6), table(edge, edge_rows(results)),
        PEERS_HEAD, table(["peer", "cores", "a MAC"], PEERS),
    ]  # fmt: skip
