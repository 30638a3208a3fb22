import type { Arena } from '../core/arena.js';
import { patchJob, patchPiece } from '../core/kernel-exports.js';
import type { DestinationRegion } from '../memory/destination-region.js';
import { PAGE_BYTES } from '../memory/pages.js';
import { readBytes, readPages, writePages } from '../memory/read-pages.js';
import type { Breathe } from './breathe.js';
import type { PageScratch } from './page-scratch.js';
import type { RunRecords } from './run-records.js';

/** A page of patches copies 4 bytes at a time at least. */
const maxPieces = PAGE_BYTES / 4;
/** Pieces fetched between two turns of others. */
const piecesAtOnce = 1024;

/**
 * Builds the pages of patch runs: a run's old pages are gathered in scratch and become the new ones in order; what a patch copies from
 * elsewhere in the region is fetched piece by piece. Whatever came before in the frame must have been written.
 */
export class PatchedPages {
  readonly #arena: Arena;
  readonly #runs: RunRecords;
  readonly #scratch: PageScratch;
  readonly #secret: number;
  readonly #job: number;
  readonly #fields: Uint32Array;
  readonly #pieces: Uint32Array;
  readonly #page: number;
  readonly #pageBytes: Uint8Array;
  readonly #breathe: Breathe;
  #fetched = 0;

  /** Bytes of arena taken. */
  static readonly byteLength: number = maxPieces * patchPiece.byteLength + 2 * PAGE_BYTES;

  /** `state`: the ring's. */
  constructor(
    arena: Arena,
    runs: RunRecords,
    scratch: PageScratch,
    secret: number,
    state: number,
    breathe: Breathe,
  ) {
    this.#breathe = breathe;
    this.#arena = arena;
    this.#runs = runs;
    this.#scratch = scratch;
    this.#secret = secret;
    this.#job = arena.alloc(patchJob.byteLength, 64);
    this.#page = arena.alloc(PAGE_BYTES + 64, 64);
    const pieces = arena.alloc(maxPieces * patchPiece.byteLength, 64);
    this.#fields = arena.u32(this.#job, patchJob.byteLength / 4);
    this.#pieces = arena.u32(pieces, (maxPieces * patchPiece.byteLength) / 4);
    this.#pageBytes = arena.bytes(this.#page, PAGE_BYTES);
    this.#fields[patchJob.state / 4] = state;
    this.#fields[patchJob.page / 4] = this.#page;
    this.#fields[patchJob.pieces / 4] = pieces;
  }

  /** Carries out the patch run `run`: `count` pages from `first` on. A promise only where the region is read or written asynchronously. */
  write(
    target: DestinationRegion,
    run: number,
    first: number,
    count: number,
  ): Promise<void> | undefined {
    for (let done = 0; done < count; ) {
      const part = Math.min(this.#scratch.pages, count - done);
      const writing = this.#writePart(target, run, first + done, part);
      done += part;
      const next = done;
      if (writing !== undefined) {
        return writing.then(() => this.write(target, run, first + next, count - next));
      }
    }
    return undefined;
  }

  #writePart(
    target: DestinationRegion,
    run: number,
    first: number,
    count: number,
  ): Promise<void> | undefined {
    const { region, byteLength } = target;
    const pages = this.#scratch.view(0, count);
    const reading = readPages({ region, byteLength, first, count }, pages, 'ERR_GUEST');
    const build = (): Promise<void> | undefined => {
      const runs = this.#runs;
      runs.put(run, 'firstPage', first);
      runs.put(run, 'count', count);
      runs.put(run, 'target', this.#scratch.address);
      runs.put(run, 'hashes', target.hashes.address + first * 8);
      this.#fields[patchJob.done / 4] = 0;
      this.#fields[patchJob.isOpen / 4] = 0;
      return this.#build(target, run, first, count);
    };
    return reading === undefined ? build() : reading.then(build);
  }

  /** Builds what is left of the part that begins with page `first`, and writes the part. */
  #build(
    target: DestinationRegion,
    run: number,
    first: number,
    count: number,
  ): Promise<void> | undefined {
    const record = this.#runs.addressOf(run);
    for (;;) {
      const pieces = this.#arena.kernels.patchBuild(record, this.#job, this.#secret);
      if (pieces === 0) break;
      const fetching = this.#fetch(target, pieces);
      if (fetching !== undefined) {
        return fetching.then(() => this.#build(target, run, first, count));
      }
    }
    target.noteWritten(first, count);
    const { region, byteLength } = target;
    return writePages({ region, byteLength, first, count }, this.#scratch.view(0, count));
  }

  /** Puts the pieces in place that the page under construction waits for. */
  #fetch(target: DestinationRegion, count: number): Promise<unknown> | undefined {
    const { region, byteLength } = target;
    const reads: Promise<void>[] = [];
    for (let piece = 0; piece < count; piece++) {
      const at = (piece * patchPiece.byteLength) / 4;
      const field = (offset: number) => this.#pieces[at + offset / 4] ?? 0;
      const start = field(patchPiece.target) - this.#page;
      const into = this.#pageBytes.subarray(start, start + field(patchPiece.bytes));
      const offset = field(patchPiece.sourceLow) + field(patchPiece.sourceHigh) * 2 ** 32;
      const reading = readBytes(region, byteLength, offset, into);
      if (reading !== undefined) reads.push(reading);
    }
    if (reads.length > 0) return Promise.all(reads);
    this.#fetched += count;
    if (this.#fetched < piecesAtOnce) return undefined;
    this.#fetched = 0;
    return this.#breathe();
  }
}
