/** What the codec's tests share: engines with usual options, and frames as plain bytes. */
import { CaptureEngine } from '../../src/codec/capture.js';
import type { CaptureOptions } from '../../src/codec/capture-options.js';
import type { CapturedFrame } from '../../src/codec/frame-slots.js';
import type { Region } from '../../src/memory/region.js';
import type { DirtyTracker } from '../../src/memory/tracker.js';
import { Random } from '../reference/random.js';
import { type NaivePage, naivePages } from '../reference/run-table.js';

export const secret: Uint8Array = new Random(77).bytes(192);
export const MIB: number = 1 << 20;

export function newCapture(
  regions: readonly Region[],
  tracker: DirtyTracker,
  options: Partial<CaptureOptions> = {},
): CaptureEngine {
  return new CaptureEngine(regions, tracker, {
    secret,
    shadowBytes: 64 * MIB,
    baseCacheBytes: 0,
    ...options,
  });
}

/** A frame copied out of the arena. */
export interface PlainFrame {
  readonly body: Uint8Array;
  readonly tableBytes: number;
  readonly pages: readonly NaivePage[];
}

export function copyFrame(frame: CapturedFrame): PlainFrame {
  const body = frame.bytes.slice(40);
  return { body, tableBytes: frame.tableBytes, pages: naivePages(body, frame.tableBytes) };
}

/** Captures until nothing is dirty. */
export async function captureAll(
  capture: CaptureEngine,
  budget: { maxPayloadBytes: number; maxPages: number } = {
    maxPayloadBytes: MIB,
    maxPages: 100_000,
  },
): Promise<PlainFrame[]> {
  const frames: PlainFrame[] = [];
  for (;;) {
    const { frame, exhausted } = await capture.capture(budget);
    if (frame !== undefined) {
      frames.push(copyFrame(frame));
      frame.release();
    }
    if (exhausted) return frames;
  }
}

/** What was sent, as "region:page kind". */
export function sent(frames: readonly PlainFrame[]): string[] {
  return frames.flatMap(({ pages }) => {
    return pages.map(({ region, page, kind }) => `${region}:${page} ${kind}`);
  });
}
