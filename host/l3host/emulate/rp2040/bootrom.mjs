// A stand-in for the RP2040's boot ROM, whose code is not ours to ship: tables of the documented layout (RP2040 datasheet, 2.8.3)
// whose entries are two instructions, BKPT n and BX LR; the breakpoint is served here, in JavaScript. Calculations give the
// correctly rounded float32 and cost a mean number of cycles (measured on the real ROM, revision B1).

export const ROM_BYTES = 16384;

const STACK = 0x20041f00;
const MAGIC_AND_VERSION = 0x0201754d; // 'M' 'u' 1, version 2
const FUNCTIONS = 0x100; // table of (code, function)
const DATA = 0x200; // table of (code, address)
const FLOATS = 0x280; // the single-precision functions, by pico-sdk's sf_table.h
const DOUBLES = 0x300;
const STUBS = 0x400;
const FLOAT_FUNCTIONS = 32;

const CYCLES = {
  add: 68, sub: 71, mul: 53, div: 66, sqrt: 60, toInt: 35, fromInt: 124, compare: 30, int64: 60, transcendental: 600,
  perCall: 20, perByteCopied: 1.2, perByteSet: 0.6,
};

const bits = new DataView(new ArrayBuffer(4));

function floatOf(word) {
  bits.setUint32(0, word);
  return bits.getFloat32(0);
}

function wordOf(number) {
  bits.setFloat32(0, number);
  return bits.getUint32(0);
}

function saturate(number, low, high) {
  return Number.isNaN(number) ? 0 : Math.min(high, Math.max(low, number));
}

function code(name) {
  return name.charCodeAt(0) | (name.charCodeAt(1) << 8);
}

function reversed(word) {
  let result = 0;
  for (let i = 0; i < 32; i++) result |= ((word >>> i) & 1) << (31 - i);
  return result;
}

function ones(word) {
  let count = 0;
  for (let rest = word; rest; rest &= rest - 1) count++;
  return count;
}

/** Functions of two-letter codes; R are the core's registers. */
function ordinaryFunctions(mcu, R, charge) {
  const copy = () => {
    for (let i = 0; i < R[2]; i++) mcu.writeUint8(R[0] + i, mcu.readUint8(R[1] + i));
    charge(CYCLES.perCall + R[2] * CYCLES.perByteCopied);
  };
  const set = () => {
    for (let i = 0; i < R[2]; i++) mcu.writeUint8(R[0] + i, R[1] & 0xff);
    charge(CYCLES.perCall + R[2] * CYCLES.perByteSet);
  };
  const erase = () => mcu.flash.fill(0xff, R[0], R[0] + R[1]);
  const program = () => {
    for (let i = 0; i < R[2]; i++) mcu.flash[R[0] + i] &= mcu.readUint8(R[1] + i);
  };
  const nothing = () => {};
  return {
    P3: () => { R[0] = ones(R[0]); },
    R3: () => { R[0] = reversed(R[0]); },
    L3: () => { R[0] = Math.clz32(R[0]); },
    T3: () => { R[0] = R[0] ? 31 - Math.clz32(R[0] & -R[0]) : 32; },
    MC: copy, C4: copy, MS: set, S4: set, RE: erase, RP: program,
    IF: nothing, EX: nothing, FC: nothing, CX: nothing,
  };
}

/** Single precision, by offset / 4 in sf_table.h. An offset that is left out is not modelled. */
function floatFunctions(R, charge) {
  const one = (f, cycles) => () => { R[0] = wordOf(f(floatOf(R[0]))); charge(cycles); };
  const two = (f, cycles) => () => { R[0] = wordOf(f(floatOf(R[0]), floatOf(R[1]))); charge(cycles); };
  const toInt = (low, high) => () => { R[0] = saturate(Math.floor(floatOf(R[0])), low, high); charge(CYCLES.toInt); };
  const fromInt = (value) => () => { R[0] = wordOf(value()); charge(CYCLES.fromInt); };
  const from64 = (convert) => () => {
    R[0] = wordOf(Number(convert(64, BigInt(R[0]) | (BigInt(R[1]) << 32n))));
    charge(CYCLES.int64);
  };
  const to64 = (low, high) => () => {
    const value = BigInt.asUintN(64, BigInt(saturate(Math.floor(floatOf(R[0])), low, high)));
    R[0] = Number(value & 0xffffffffn);
    R[1] = Number(value >> 32n);
    charge(CYCLES.int64);
  };
  const compare = () => { R[0] = Math.sign(floatOf(R[0]) - floatOf(R[1])) | 0; charge(CYCLES.compare); };
  const { add, sub, mul, div, sqrt, transcendental } = CYCLES;
  return {
    0: two((x, y) => x + y, add), 1: two((x, y) => x - y, sub), 2: two((x, y) => x * y, mul), 3: two((x, y) => x / y, div),
    6: one(Math.sqrt, sqrt), 7: toInt(-(2 ** 31), 2 ** 31 - 1), 9: toInt(0, 2 ** 32 - 1),
    11: fromInt(() => R[0] | 0), 13: fromInt(() => R[0]),
    15: one(Math.cos, transcendental), 16: one(Math.sin, transcendental), 17: one(Math.tan, transcendental),
    19: one(Math.exp, transcendental), 20: one(Math.log, transcendental), 21: compare, 22: two(Math.atan2, transcendental),
    23: from64(BigInt.asIntN), 25: from64(BigInt.asUintN), 27: to64(-(2 ** 63), 2 ** 63 - 1024), 29: to64(0, 2 ** 64 - 2048),
  };
}

/** Load the ROM into an rp2040js RP2040 and serve its functions. It calls charge(cycles) with the cost of each. */
export function install(mcu, charge) {
  const rom = new DataView(new ArrayBuffer(ROM_BYTES));
  const R = mcu.core.registers;
  const served = [() => { throw new Error(`breakpoint 0 at 0x${mcu.core.PC.toString(16)}`); }];

  const stub = (serve) => {
    const at = STUBS + 4 * served.length;
    rom.setUint16(at, 0xbe00 | served.length, true); // BKPT n
    rom.setUint16(at + 2, 0x4770, true); // BX LR
    served.push(serve);
    return at | 1;
  };
  const notModelled = (what) => stub(() => { throw new Error(`the boot ROM's ${what} is not modelled`); });

  let at = FUNCTIONS;
  for (const [name, serve] of Object.entries(ordinaryFunctions(mcu, R, charge))) {
    rom.setUint16(at, code(name), true);
    rom.setUint16(at + 2, stub(serve), true);
    at += 4;
  }
  [['SF', FLOATS], ['SD', DOUBLES]].forEach(([name, table], i) => {
    rom.setUint16(DATA + 4 * i, code(name), true);
    rom.setUint16(DATA + 4 * i + 2, table, true);
  });
  const floats = floatFunctions(R, charge);
  const double = notModelled('double precision');
  for (let i = 0; i < FLOAT_FUNCTIONS; i++) {
    rom.setUint32(FLOATS + 4 * i, floats[i] ? stub(floats[i]) : notModelled(`float function ${i}`), true);
    rom.setUint32(DOUBLES + 4 * i, double, true);
  }
  const lookup = stub(() => {
    let entry = R[0];
    while (rom.getUint16(entry, true) && rom.getUint16(entry, true) !== (R[1] & 0xffff)) entry += 4;
    R[0] = rom.getUint16(entry, true) && rom.getUint16(entry + 2, true);
  });
  rom.setUint32(0, STACK, true);
  rom.setUint32(0x10, MAGIC_AND_VERSION, true);
  rom.setUint16(0x14, FUNCTIONS, true);
  rom.setUint16(0x16, DATA, true);
  rom.setUint16(0x18, lookup, true);
  mcu.loadBootrom(new Uint32Array(rom.buffer));
  mcu.onBreak = (n) => (served[n] ?? served[0])();
}
