import type { Arena } from '../core/arena.js';
import { type CapturedFrame, FrameSlots, HEADER_ROOM } from './frame-slots.js';

/** What the kernel keeps places in. */
const tableBytes = 16_384;
/** A frame must become smaller by one part in so many, or its receiver is spared the work: what LZ4 finds nothing in costs both ends little. */
const leastGain = 64;
const triedBytes = 16_384;

/** Compresses finished frames with LZ4, each for itself. */
export class FrameCompressor {
  readonly #arena: Arena;
  readonly #table: number;
  readonly #block: number;

  /** Bytes of arena taken. */
  static byteLength(maxPayloadBytes: number): number {
    return tableBytes + FrameSlots.byteLength(1, maxPayloadBytes) + 2 * 64;
  }

  constructor(arena: Arena, maxPayloadBytes: number) {
    this.#arena = arena;
    this.#table = arena.alloc(tableBytes, 64);
    this.#block = arena.alloc(FrameSlots.byteLength(1, maxPayloadBytes), 64);
  }

  /** What the first 16 KiB of the frame, or all of it where it has less, would become. It stays as it is. */
  try(frame: CapturedFrame): Pick<CapturedFrame, 'rawBytes' | 'bodyBytes'> {
    const { bytes } = frame;
    const rawBytes = Math.min(frame.bodyBytes, triedBytes);
    const blockBytes = this.#compress(bytes.byteOffset + HEADER_ROOM, rawBytes);
    return { rawBytes, bodyBytes: blockBytes === 0 ? rawBytes : blockBytes };
  }

  /** The frame whose body is now one LZ4 block, in place of what was there; `frame` as it was if that saves too little. */
  compress(frame: CapturedFrame): CapturedFrame {
    const { bytes, bodyBytes } = frame;
    const blockBytes = this.#compress(bytes.byteOffset + HEADER_ROOM, bodyBytes);
    if (blockBytes === 0) return frame;
    const table = frame.copyTable();
    bytes.set(this.#arena.bytes(this.#block, blockBytes), HEADER_ROOM);
    return {
      ...frame,
      bytes: bytes.subarray(0, HEADER_ROOM + blockBytes),
      bodyBytes: blockBytes,
      copyTable: () => table.slice(),
    };
  }

  /** Bytes of the block that these become; 0 if it saves too little. */
  #compress(address: number, bytes: number): number {
    const limit = bytes - Math.ceil(bytes / leastGain);
    return this.#arena.kernels.lz4Compress(address, bytes, this.#block, limit, this.#table) >>> 0;
  }
}
