import type { DirtyRun } from '../codec/capture-options.js';
import type { ByKind, CapturedFrame } from '../codec/frame-slots.js';
import { runsOfTable } from '../codec/run-table.js';
import { pageKind } from '../core/kernel-exports.js';

/** What pages are expected to be on the wire. */
export interface Expected {
  readonly pages: number;
  readonly bytes: number;
}

interface Sum {
  pages: number;
  bytes: number;
}

/** Before anything was sent again: pages go raw. */
const rawPageBytes = 4104;
/** What a round weighs beside the one after it. */
const fading = 0.5;
const mostBytes = 0xffff;

/**
 * What each page cost on the wire when it was sent again last: 2 bytes a page, 0 where it was sent in the first pass only, which sends
 * everything whole and tells nothing of what a change costs.
 */
export class WireSizes {
  readonly #regions = new Map<number, Uint16Array>();
  /** Pages sent again for the first time, and all pages sent again; older rounds count less. */
  readonly #first: Sum = { pages: 0, bytes: 0 };
  readonly #all: Sum = { pages: 0, bytes: 0 };

  /** A round begins. */
  fade(): void {
    for (const sum of [this.#first, this.#all]) {
      sum.pages *= fading;
      sum.bytes *= fading;
    }
  }

  /** Notes a frame of pages that were sent before; its bytes must still stand in its slot. */
  note(
    frame: Pick<CapturedFrame, 'bytes' | 'copyTable' | 'pageCount' | 'pages' | 'payloadBytes'>,
  ): void {
    const costs = costsOf(frame);
    for (const { region, first, count, kind } of runsOfTable(frame.copyTable())) {
      const sizes = this.#sizesOf(region, first + count);
      const cost = costs[kind] ?? rawPageBytes;
      const size = Math.min(mostBytes, Math.max(1, Math.round(cost)));
      for (let page = first; page < first + count; page++) {
        if (sizes[page] === 0) add(this.#first, 1, cost);
        sizes[page] = size;
      }
      add(this.#all, count, cost);
    }
  }

  /** These pages, each as it was last, or as others were when they were sent again for the first time. */
  ofRuns(runs: Iterable<DirtyRun>): Expected {
    const firstBytes = average(this.#first) ?? average(this.#all) ?? rawPageBytes;
    let pages = 0;
    let bytes = 0;
    for (const { region, first, count } of runs) {
      const sizes = this.#regions.get(region);
      for (let page = first; page < first + count; page++) bytes += sizes?.[page] || firstBytes;
      pages += count;
    }
    return { pages, bytes };
  }

  /** So many pages of which it is not known which. */
  ofCount(pages: number): Expected {
    return { pages, bytes: pages * (average(this.#all) ?? rawPageBytes) };
  }

  #sizesOf(region: number, pages: number): Uint16Array {
    const known = this.#regions.get(region);
    if (known !== undefined && known.length >= pages) return known;
    const grown = new Uint16Array(Math.max(1024, 2 ** Math.ceil(Math.log2(pages))));
    if (known !== undefined) grown.set(known);
    this.#regions.set(region, grown);
    return grown;
  }
}

/** Wire bytes of a page of each kind in this frame: its payload, and its share of what all have in common. */
function costsOf(
  frame: Pick<CapturedFrame, 'bytes' | 'pageCount' | 'pages' | 'payloadBytes'>,
): number[] {
  const { pages, payloadBytes } = frame;
  const payload = Object.values(payloadBytes).reduce(
    (sum: number, bytes: number) => sum + bytes,
    0,
  );
  // Where the frame is smaller than its payloads, all of it was compressed.
  const ratio = payload > 0 ? Math.min(1, frame.bytes.byteLength / payload) : 1;
  const shared = Math.max(0, frame.bytes.byteLength - payload) / frame.pageCount;
  const costs: number[] = [];
  for (const [name, number] of Object.entries(pageKind)) {
    const count = ofKind(pages, name);
    costs[number] = shared + (count > 0 ? (ofKind(payloadBytes, name) / count) * ratio : 0);
  }
  return costs;
}

function ofKind(sums: ByKind, name: string): number {
  return new Map(Object.entries(sums)).get(name) ?? 0;
}

function add(sum: Sum, pages: number, bytesEach: number): void {
  sum.pages += pages;
  sum.bytes += pages * bytesEach;
}

function average({ pages, bytes }: Sum): number | undefined {
  return pages > 0 ? bytes / pages : undefined;
}
