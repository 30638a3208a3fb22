import type { ByKind, Compressed } from './events.js';

const none: ByKind = { zero: 0, fill: 0, delta: 0, patch: 0, raw: 0 };

/** Running totals of what was sent. */
export class Tally {
  pages = 0;
  bytes = 0;
  pagesByKind: ByKind = none;
  bytesByKind: ByKind = none;
  compressed: Compressed = { frames: 0, rawBytes: 0, bytes: 0 };

  add(frame: {
    readonly pageCount: number;
    readonly bytes: Uint8Array;
    readonly bodyBytes: number;
    readonly rawBytes: number;
    readonly pages: ByKind;
    readonly payloadBytes: ByKind;
  }): void {
    this.pages += frame.pageCount;
    this.bytes += frame.bytes.byteLength;
    this.pagesByKind = sum(this.pagesByKind, frame.pages);
    this.bytesByKind = sum(this.bytesByKind, frame.payloadBytes);
    if (frame.rawBytes > frame.bodyBytes) {
      const { frames, rawBytes, bytes } = this.compressed;
      this.compressed = {
        frames: frames + 1,
        rawBytes: rawBytes + frame.rawBytes,
        bytes: bytes + frame.bodyBytes,
      };
    }
  }
}

function sum(a: ByKind, b: ByKind): ByKind {
  return {
    zero: a.zero + b.zero,
    fill: a.fill + b.fill,
    delta: a.delta + b.delta,
    patch: a.patch + b.patch,
    raw: a.raw + b.raw,
  };
}
