// Who else can say how one memory differs from another, and what their saying takes.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeXbzrle } from '../src/codec/index.js';
import { benchImport, ifInstalledSoon } from './bench-packages.js';
import { installed } from './programs.js';

const pageBytes = 4096;
const mebibyte = 2 ** 20;
/** It sorts every suffix of what was there before: minutes, and 17 bytes of memory for each byte, beyond this. */
const bsdiffBytes: number = 20 * mebibyte;
/** In JavaScript, seconds for each of so many bytes. */
const fossilBytes: number = 40 * mebibyte;

export interface DeltaPeer {
  readonly name: string;
  /** Bytes of what it makes of them; undefined where they are too large for it. */
  size(pair: PlacedPair): number | undefined;
}

/** Two states of a memory of equal length, also as files, where no disk takes part if there is such a place. */
export class PlacedPair implements Disposable {
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  readonly #folder: string;

  constructor(before: Uint8Array, after: Uint8Array) {
    this.before = before;
    this.after = after;
    this.#folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'pageferry-'));
    writeFileSync(join(this.#folder, 'before'), before);
    writeFileSync(join(this.#folder, 'after'), after);
  }

  /** Runs a program in the folder that has `before` and `after`, and gives the bytes of the `delta` it leaves there. */
  run(program: string, options: readonly string[]): number {
    execFileSync(program, options, { cwd: this.#folder, stdio: 'ignore' });
    return statSync(join(this.#folder, 'delta')).size;
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }
}

/** Those that are installed; the others are named. */
export async function deltaPeers(): Promise<readonly DeltaPeer[]> {
  const peers: DeltaPeer[] = [];
  if (installed('xdelta3')) {
    for (const level of ['-1', '-9']) {
      peers.push({ name: `xdelta3 ${level}`, size: (pair) => xdelta3(pair, level) });
    }
  }
  const fossil = await ifInstalledSoon('fossil-delta', () =>
    benchImport<FossilDelta>('fossil-delta'),
  );
  if (fossil !== undefined) {
    peers.push({
      name: 'fossil-delta',
      size: ({ before, after }) =>
        before.length > fossilBytes ? undefined : fossil.createDelta(before, after).length,
    });
  }
  if (installed('bsdiff')) {
    peers.push({
      name: 'bsdiff',
      size: (pair) =>
        pair.before.length > bsdiffBytes
          ? undefined
          : pair.run('bsdiff', ['before', 'after', 'delta']),
    });
  }
  peers.push({ name: "XBZRLE in QEMU's stream", size: ({ before, after }) => qemu(before, after) });
  return peers;
}

interface FossilDelta {
  createDelta(source: Uint8Array, target: Uint8Array): Uint8Array;
}

/** Without names of files, and with all of `before` in reach. */
export function xdelta3(pair: PlacedPair, level: string): number {
  const window = Math.max(64 * mebibyte, 2 ** Math.ceil(Math.log2(pair.before.length)));
  return pair.run('xdelta3', [
    ...['-e', level, '-f', '-A', '-B', String(window)],
    ...['-s', 'before', 'after', 'delta'],
  ]);
}

/**
 * A round of QEMU's migration stream with a cache that holds every page: 8 bytes of offset and flags, for the first page the name of its
 * block, then 1 byte for a zero page, a length of 3 bytes and XBZRLE, or the whole page; 8 bytes say that the round is over.
 */
export function qemu(before: Uint8Array, after: Uint8Array): number {
  const out = new Uint8Array(pageBytes);
  const zeros = new Uint8Array(pageBytes);
  const offsetAndFlags = 8;
  let bytes = 1 + 'pc.ram'.length + offsetAndFlags;
  for (const at of changedPages(before, after)) {
    const page = after.subarray(at, at + pageBytes);
    const old = before.subarray(at, at + pageBytes);
    bytes += offsetAndFlags;
    if (Buffer.compare(page, zeros) === 0) {
      bytes += 1;
      continue;
    }
    const delta = encodeXbzrle(old, page, out);
    bytes += delta < 0 ? pageBytes : 3 + delta;
  }
  return bytes;
}

/** Finds the pages that differ, and does nothing about them: their offsets. */
export function changedPages(before: Uint8Array, after: Uint8Array): readonly number[] {
  const changed: number[] = [];
  for (let at = 0; at < after.length; at += pageBytes) {
    const end = at + pageBytes;
    if (Buffer.compare(before.subarray(at, end), after.subarray(at, end)) !== 0) changed.push(at);
  }
  return changed;
}
