// Those who take part in the capture bench: each has a memory of its own, and turns what changed in it into bytes to be sent.
import { CaptureEngine } from '../src/codec/capture.js';
import { Arena } from '../src/core/arena.js';
import { captureJob, frameState, keepShadow } from '../src/core/kernel-exports.js';
import { MarksTracker } from '../src/memory/marks.js';
import { CompareTracker, HashTracker } from '../src/memory/scan-trackers.js';
import type { DirtyTracker } from '../src/memory/tracker.js';
import type { XxhashPeers } from './c-peers.js';
import { makeImage } from './image.js';
import { encodeXbzrle } from './plain-js.js';

export const pageBytes = 4096;
export const imageBytes: number = 64 * 2 ** 20;
export const pages: number = imageBytes / pageBytes;
const frameBytes = 512 << 10;
const zeroShare = 0.25;

export interface Contender {
  readonly memory: Uint8Array;
  mark?(page: number): void;
  /** Returns the bytes to be sent. */
  capture(): Promise<number> | number;
}

/** The capture kernel by itself, over memory and shadow in one arena: what the engine does to pages it has copied. */
export function kernel(): Contender {
  const tableRoom = 65_536;
  const arena = new Arena(2 * imageBytes + pages * 9 + frameBytes + 4 * tableRoom);
  const { kernels } = arena;
  const memory = arena.alloc(imageBytes, pageBytes);
  const shadow = arena.alloc(imageBytes, pageBytes);
  const bitmapBytes = pages / 8;
  const dirty = arena.u64(arena.alloc(bitmapBytes), pages / 64);
  const baseKnown = arena.u64(arena.alloc(bitmapBytes), pages / 64);
  const shadowed = arena.u64(arena.alloc(bitmapBytes), pages / 64);
  const hashes = arena.u64(arena.alloc(8 * pages), pages);
  const secret = arena.alloc(192);
  const zeroPage = arena.alloc(pageBytes);
  const frame = arena.alloc(frameState.byteLength);
  const table = arena.alloc(tableRoom);
  const payload = arena.alloc(frameBytes + 64);
  const job = arena.alloc(captureJob.byteLength);
  arena.bytes(memory, imageBytes).set(makeImage(imageBytes, zeroShare));
  arena.bytes(secret, 192).set(makeImage(192, 0));
  kernels.hashPages(zeroPage, 1, hashes.byteOffset, secret);
  const [zeroHash = 0n] = hashes;
  hashes.fill(zeroHash);
  arena.u64(job + captureJob.zeroHash, 1)[0] = zeroHash;
  const fields = arena.u32(job, captureJob.byteLength / 4);
  const set = (field: Exclude<keyof typeof captureJob, 'zeroHash' | 'byteLength'>, to: number) => {
    fields[captureJob[field] / 4] = to;
  };
  set('pages', memory);
  set('pageCount', pages);
  set('dirty', dirty.byteOffset);
  set('baseKnown', baseKnown.byteOffset);
  set('shadow', shadow);
  set('shadowed', shadowed.byteOffset);
  set('keeping', keepShadow.all);
  set('hashes', hashes.byteOffset);
  set('secret', secret);
  set('zeroPage', zeroPage);
  set('frame', frame);
  const state = arena.u32(frame, frameState.byteLength / 4);
  return {
    memory: arena.bytes(memory, imageBytes),
    capture() {
      dirty.fill(0xffff_ffff_ffff_ffffn);
      let bytes = 0;
      for (let consumed = 0; consumed < pages; ) {
        state.fill(0);
        state[frameState.payloadStart / 4] = payload;
        state[frameState.payloadEnd / 4] = payload;
        state[frameState.payloadLimit / 4] = payload + frameBytes;
        state[frameState.tableStart / 4] = table;
        state[frameState.tableEnd / 4] = table;
        state[frameState.tableLimit / 4] = table + tableRoom;
        state[frameState.maxPages / 4] = pages;
        consumed = kernels.capture(job);
        kernels.captureSeal(frame);
        bytes += (state[frameState.payloadEnd / 4] ?? 0) - payload;
      }
      return bytes;
    },
  };
}

/** C: three passes over everything, as a program does that has a function for each. */
export function threePasses(c: XxhashPeers): Contender {
  const memory = makeImage(imageBytes, zeroShare);
  const shadow = new Uint8Array(imageBytes);
  const dirty = new Uint8Array(pages);
  const hashes = new BigUint64Array(pages);
  const secret = makeImage(192, 0);
  const frame = new Uint8Array(frameBytes);
  return {
    memory,
    capture: () =>
      c.capture_three_passes(memory, shadow, pages, dirty, hashes, secret, frame, frameBytes),
  };
}

/** The capture engine over a WebAssembly memory; a shadow of the whole but where hashes decide. */
export function engine(kind: 'marks' | 'hash' | 'compare'): Contender {
  const linear = new WebAssembly.Memory({ initial: imageBytes / 65536 });
  const memory = new Uint8Array(linear.buffer);
  memory.set(makeImage(imageBytes, zeroShare));
  const region = {
    id: 0,
    name: kind,
    byteLength: imageBytes,
    maxByteLength: imageBytes,
    memory: () => memory,
    linearMemory: () => linear,
    read: () => 0,
    write: () => {},
    grow: () => {},
  };
  const marks = new MarksTracker([region]);
  const trackers: Record<typeof kind, DirtyTracker> = {
    marks,
    hash: new HashTracker(),
    compare: new CompareTracker(),
  };
  const capture = new CaptureEngine([region], trackers[kind], {
    secret: makeImage(192, 0),
    shadowBytes: kind === 'hash' ? 0 : imageBytes,
    baseCacheBytes: 0,
  });
  return {
    memory,
    mark: (page) => marks.mark(0, page * pageBytes, 8),
    async capture() {
      capture.takeDirty();
      let bytes = 0;
      for (let exhausted = false; !exhausted; ) {
        const next = await capture.capture({ maxPayloadBytes: frameBytes, maxPages: pages });
        bytes += next.frame?.bodyBytes ?? 0;
        next.frame?.release();
        exhausted = next.exhausted;
      }
      return bytes;
    },
  };
}

type IsSame = (memory: Uint8Array, shadow: Uint8Array, offset: number) => boolean;

export function sameByBuffer(memory: Uint8Array, shadow: Uint8Array, offset: number): boolean {
  const end = offset + pageBytes;
  return Buffer.compare(memory.subarray(offset, end), shadow.subarray(offset, end)) === 0;
}

/** The same work in JavaScript, but for the hash: compare with the shadow, XBZRLE or raw into a frame, update the shadow. */
export function javascript(isSame: IsSame): Contender {
  const memory = makeImage(imageBytes, zeroShare);
  const shadow = new Uint8Array(imageBytes);
  const frame = new Uint8Array(frameBytes);
  return {
    memory,
    capture() {
      let sent = 0;
      let at = 0;
      for (let offset = 0; offset < imageBytes; offset += pageBytes) {
        if (isSame(memory, shadow, offset)) continue;
        if (at + pageBytes + 8 > frame.length) {
          sent += at;
          at = 0;
        }
        const page = memory.subarray(offset, offset + pageBytes);
        const before = shadow.subarray(offset, offset + pageBytes);
        const payload = frame.subarray(at + 8, at + 8 + pageBytes);
        let bytes = encodeXbzrle(before, page, payload);
        if (bytes < 0) {
          payload.set(page);
          bytes = pageBytes;
        }
        at += 8 + bytes;
        before.set(page);
      }
      return sent + at;
    },
  };
}
