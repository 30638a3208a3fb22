import type { Guest } from '../guests/guest.js';
import type { Region } from '../memory/region.js';
import type { Accept, Offer, OfferedRegion } from '../protocol/messages.js';

const chunkBytes = 1024 * 1024;

/** What the recorded destination's circumstances made of two moments; each resolves, or rejects with what was recorded. */
export interface ReplayGates {
  readonly load: () => Promise<void>;
  readonly start: () => Promise<void>;
}

/** A guest that fits `offer`, in memory, and takes any state: what a recording is poured into. */
export function replayGuest(offer: Offer, bases: Accept['bases'], gates: ReplayGates): Guest {
  return {
    kind: offer.identity.kind,
    regions: offer.regions.map((region, at) => sparseRegion(region, bases[at] === 'zero')),
    tracker: { exact: true, start() {}, take() {}, stop() {} },
    maxStateBytes: offer.maxStateBytes,
    describe: () => offer.identity,
    pause: async () => {},
    resume: () => gates.start(),
    saveState: async () => new Uint8Array(),
    loadState: () => gates.load(),
  };
}

/** A region of any size that takes memory only where something but zeros was written. */
function sparseRegion(
  { id, name, byteLength, maxByteLength }: OfferedRegion,
  empty: boolean,
): Region {
  const chunks = new Map<number, Uint8Array>();
  let length = byteLength;
  let fresh = empty;
  const each = (
    offset: number,
    bytes: Uint8Array,
    visit: (chunk: number, within: number, part: Uint8Array) => void,
  ): void => {
    for (let at = 0; at < bytes.byteLength; ) {
      const within = (offset + at) % chunkBytes;
      const part = bytes.subarray(at, at + Math.min(chunkBytes - within, bytes.byteLength - at));
      visit(Math.floor((offset + at) / chunkBytes), within, part);
      at += part.byteLength;
    }
  };
  return {
    id,
    name,
    maxByteLength,
    get byteLength() {
      return length;
    },
    get fresh() {
      return fresh;
    },
    read(offset, into) {
      const wanted = into.subarray(0, Math.max(0, Math.min(into.byteLength, length - offset)));
      each(offset, wanted, (chunk, within, part) => {
        const held = chunks.get(chunk);
        if (held === undefined) part.fill(0);
        else part.set(held.subarray(within, within + part.byteLength));
      });
      return wanted.byteLength;
    },
    write(offset, from) {
      fresh = false;
      each(offset, from, (chunk, within, part) => {
        let held = chunks.get(chunk);
        if (held === undefined) {
          if (part.every((byte) => byte === 0)) return;
          held = new Uint8Array(chunkBytes);
          chunks.set(chunk, held);
        }
        held.set(part, within);
      });
    },
    grow(bytes) {
      length = bytes;
    },
  };
}
