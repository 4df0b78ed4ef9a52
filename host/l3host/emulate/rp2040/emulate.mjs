// node emulate.mjs PACKAGE FIRMWARE FILES [END]: a Raspberry Pi Pico whose serial line is stdin and stdout.
// PACKAGE: the folder of npm's rp2040js. FILES: a LittleFS image. END: text that ends the run when the board prints it, as does
// MicroPython's prompt, which says that main.py has died; the image is then written back. Without END it runs until its
// terminal closes, which cuts the board's power: the image is written back as it is then.
// Status 0, or 3 when the emulated core stops.
import fs from 'node:fs';
import { Pico } from './pico.mjs';

const [pkg, firmware, files, end] = process.argv.slice(2);
const USB_CYCLES = 125e6;
const PROMPT = '\r\n>>> ';
const pico = await Pico.load(pkg, fs.readFileSync(firmware), fs.readFileSync(files));
let tail = '';

function ended(data) {
  tail = (tail + data.toString('latin1')).slice(-4096);
  return end !== undefined && (tail.includes(end) || tail.endsWith(PROMPT));
}

function save() {
  fs.writeFileSync(files, pico.files());
  process.exit(0);
}

function step() {
  pico.slice();
  if (!pico.connected && pico.cycles > USB_CYCLES) throw new Error('no USB device after a second: is this its firmware?');
  const data = pico.received();
  if (data.length) fs.writeSync(1, data);
  if (ended(data)) save();
  setTimeout(run, pico.idle ? 2 : 0);
}

function run() {
  try {
    step();
  } catch (error) {
    if (error.code === 'EIO') save();
    fs.writeSync(2, `rp2040: ${error.message}, pc 0x${pico.mcu.core.PC.toString(16)}\n`);
    process.exit(3);
  }
}

console.warn = () => {}; // rp2040js warns of each look at the FIFO between the cores, which it lacks
process.stdin.on('data', (data) => pico.send(data));
process.stdin.on('error', save);
run();
