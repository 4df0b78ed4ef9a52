// A Raspberry Pi Pico: rp2040js with a boot ROM, firmware and file system in flash, and a serial line over USB.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { install } from './bootrom.mjs';

const FLASH = 0x10000000;
const WATCHDOG = 0x40058; // where it is, in pages
export const FILES = 0xa0000; // where the RPI_PICO firmware keeps its LittleFS
const SLICE_CYCLES = 1_000_000;
const LONGEST_SLEEP_NS = 1e6;

export class Pico {
  static async load(packageFolder, firmware, files) {
    const url = pathToFileURL(path.join(packageFolder, 'dist', 'esm', 'index.js'));
    return new Pico(await import(url), firmware, files);
  }

  constructor({ RP2040, USBCDC, ConsoleLogger, LogLevel }, firmware, files) {
    this.mcu = new RP2040();
    this.mcu.logger = new ConsoleLogger(LogLevel.Error);
    this.cycles = 0;
    this.charged = 0; // cycles of boot ROM functions since the last instruction
    this.input = Buffer.alloc(0);
    this.output = [];
    install(this.mcu, (cycles) => { this.charged += cycles; });
    this.mcu.flash.set(firmware, 0);
    this.mcu.flash.set(files, FILES);
    this.filesBytes = files.length;
    this.mcu.core.PC = FLASH;
    this.mcu.core.registers[14] = 0;
    this.mcu.peripherals[WATCHDOG].onWatchdogTrigger = () => { throw new Error('reset by the watchdog, or by code'); }; // the end of a run
    this.connectSerial(USBCDC);
  }

  /** USBCDC answers every OUT request at once, with nothing if there is nothing: an endless interrupt storm in the firmware.
   *  A real host NAKs, so the request stays pending until there is input. */
  connectSerial(USBCDC) {
    this.connected = false;
    this.requested = 0;
    this.cdc = new USBCDC(this.mcu.usbCtrl);
    this.cdc.onDeviceConnected = () => { this.connected = true; };
    this.cdc.onSerialData = (data) => { this.output.push(Buffer.from(data)); };
    this.mcu.usbCtrl.onEndpointRead = (endpoint, size) => {
      if (endpoint === this.cdc.outEndpoint) this.requested = size;
    };
  }

  send(data) {
    this.input = Buffer.concat([this.input, data]);
  }

  /** What the board has sent since the last call. */
  received() {
    const data = Buffer.concat(this.output);
    this.output.length = 0;
    return data;
  }

  feed() {
    const n = Math.min(this.requested, this.input.length);
    if (!this.connected || !n) return;
    this.requested = 0;
    this.mcu.usbCtrl.endpointReadDone(this.cdc.outEndpoint, new Uint8Array(this.input.subarray(0, n)));
    this.input = this.input.subarray(n);
  }

  /** Nothing to do but to wait for somebody. */
  get idle() {
    return this.mcu.core.waiting && this.connected && !this.input.length;
  }

  /** Run about SLICE_CYCLES, less where the board only sleeps or waits after it has printed something. */
  slice() {
    const { core, clock } = this.mcu;
    const nanoseconds = 1e9 / this.mcu.clkSys;
    const end = this.cycles + SLICE_CYCLES;
    this.feed();
    while (this.cycles < end) {
      if (core.waiting) {
        if (this.output.length) return;
        const sleep = Math.min(clock.nanosToNextAlarm || 1000, LONGEST_SLEEP_NS);
        clock.tick(sleep);
        this.cycles += sleep / nanoseconds;
        this.feed();
      } else {
        this.charged = 0;
        const cycles = core.executeInstruction() + this.charged;
        this.cycles += cycles;
        clock.tick(cycles * nanoseconds);
      }
    }
  }

  /** The file system as it is now. */
  files() {
    return this.mcu.flash.subarray(FILES, FILES + this.filesBytes);
  }
}
