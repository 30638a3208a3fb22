import { setTimeout as sleep } from 'node:timers/promises';
import { createLedger } from '../src/guests/ledger.js';
import { createSqlite } from '../src/guests/sqlite.js';
import { bufferGuest, type Guest } from '../src/index.js';
import { makeImage } from './image.js';

/** What a write leaves in a page: a word that counts, 64 words here and there, or nothing as it was. */
export type Change = 'counter' | 'words' | 'random';

/** A guest that writes on the engine's own thread, as programs do that embed it. It runs from `start` on, until it is paused. */
export interface Workload {
  readonly name: string;
  start(): Promise<Guest>;
}

export interface WriterOptions {
  readonly mebibytes: number;
  /** Pages written a second; the same one may be hit again. */
  readonly pagesPerSecond: number;
  readonly change: Change;
  /** Where: evenly, or nine of ten writes in a tenth of the pages. */
  readonly spread: 'even' | 'hot';
  readonly tracker: 'marks' | 'hash';
}

const pageBytes = 4096;
const MiB = 2 ** 20;
/** What falls behind for longer than this is not made up for, milliseconds. */
const longestDebtMs = 50;

/** Memory, 40 % of it zero, that changes at a steady rate. */
export function writer(options: WriterOptions): Workload {
  const { mebibytes, pagesPerSecond, change, spread, tracker } = options;
  return {
    name: `${pagesPerSecond}-${change}-${spread}-${tracker}`,
    async start() {
      const pages = (mebibytes * MiB) / pageBytes;
      const memory = new WebAssembly.Memory({ initial: mebibytes * 16, maximum: mebibytes * 16 });
      const bytes = new Uint8Array(memory.buffer);
      bytes.set(makeImage(bytes.length, 0.4));
      const noise = new Noise();
      let timer: NodeJS.Timeout | undefined;
      let from = 0;
      let written = 0;
      const write = (): void => {
        const perMs = pagesPerSecond / 1000;
        const due = Math.floor((performance.now() - from) * perMs);
        written = Math.max(written, due - Math.ceil(longestDebtMs * perMs));
        for (; written < due; written++) {
          const isHot = spread === 'hot' && Math.random() < 0.9;
          const at = Math.floor(Math.random() * (isHot ? pages / 10 : pages)) * pageBytes;
          changePage(bytes.subarray(at, at + pageBytes), change, noise);
          guest.markDirty(at, pageBytes);
        }
      };
      const guest = bufferGuest(memory, {
        tracker,
        pause: () => clearInterval(timer),
        resume: () => {
          from = performance.now();
          written = 0;
          timer = setInterval(write, 1);
        },
      });
      await guest.resume();
      return guest;
    },
  };
}

/** Bytes that resemble nothing, by xorshift32: those of the system take longer than a guest has. */
class Noise {
  readonly #words = new Uint32Array(pageBytes / 4);
  #state = (Math.random() * 2 ** 32) | 1;

  fill(page: Uint8Array): void {
    let state = this.#state;
    for (let at = 0; at < this.#words.length; at++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      this.#words[at] = state;
    }
    this.#state = state;
    page.set(new Uint8Array(this.#words.buffer));
  }
}

function changePage(page: Uint8Array, change: Change, noise: Noise): void {
  const at = Math.floor(Math.random() * (pageBytes / 8)) * 8;
  if (change === 'counter') page[0] = (page[0] ?? 0) + 1;
  else if (change === 'random') noise.fill(page);
  else for (let word = 0; word < 64; word++) page[(at + word * 61) % pageBytes] = word + at;
}

/** The demo's ledger: two pages a transfer, half of it incompressible. */
export function ledger(mebibytes: number, mebibytesPerSecond: number): Workload {
  return {
    name: `ledger-${mebibytesPerSecond}MiB/s`,
    async start() {
      const bytesPerSecond = mebibytesPerSecond * MiB;
      const guest = createLedger({ sizeBytes: mebibytes * MiB, seed: 7, bytesPerSecond });
      await guest.resume();
      return guest;
    },
  };
}

/** The real SQLite, between transactions. */
export function sqlite(sizeMiB: number, transactionsPerSecond: number): Workload {
  return {
    name: `sqlite-${transactionsPerSecond}/s`,
    async start() {
      const guest = await createSqlite({ sizeMiB, seed: 7, transactionsPerSecond });
      await guest.resume();
      // It grows once, because it is moved: nobody could foresee that.
      guest.tracker.start();
      while (guest.program.registers.growing) await sleep(10);
      guest.tracker.stop();
      return guest;
    },
  };
}
