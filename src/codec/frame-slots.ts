import type { Arena } from '../core/arena.js';
import { frameState, pageKind } from '../core/kernel-exports.js';
import { PAGE_BYTES } from '../memory/pages.js';

/** Bytes left free in front of every body, for the frame header that is not the codec's business. */
export const HEADER_ROOM = 40;

/** Most pages of a frame (docs/protocol.md, section 4). */
export const MAX_FRAME_PAGES = 32_768;

/** Header room and run table: with these the table stays below the 65,536 bytes that a frame header can name. */
const tableRoom = 65_536;
/** A payload must have room for any one page; kernels may touch a few bytes behind what they write. */
export const MIN_PAYLOAD_BYTES: number = PAGE_BYTES + 2;
const slack = 64;

/** Pages, or bytes, by the kind they went as. */
export interface ByKind {
  readonly zero: number;
  readonly fill: number;
  readonly delta: number;
  readonly patch: number;
  readonly raw: number;
}

/** The body of a PAGES frame, standing in the source's arena until it is released. */
export interface CapturedFrame {
  /** 40 bytes of room for the frame header, then the body: run table and payload. */
  readonly bytes: Uint8Array;
  /** Of the body before compression. */
  readonly tableBytes: number;
  /** Table and payload, without the header room. */
  readonly bodyBytes: number;
  /** Bytes of the body before compression: where it has fewer, it is one LZ4 block. */
  readonly rawBytes: number;
  readonly pageCount: number;
  readonly pages: ByKind;
  readonly payloadBytes: ByKind;
  /** XXH3-64 of the body as it is, where that is known. */
  readonly checksum?: bigint | undefined;
  /** A copy of the run table as it was before compression, for `CaptureEngine.forget` should the frame be lost. */
  copyTable(): Uint8Array;
  /** The bytes were sent, or never will be: the slot may be used again. Idempotent. */
  release(): void;
}

/** A frame under construction. */
export interface OpenFrame {
  /** Address of its `frameState`, for the capture job. */
  readonly state: number;
  /** Pages it holds so far. */
  pageCount(): number;
  /** Pages it has room for whatever their kind, so long as its table is not full. */
  roomPages(): number;
  /** The finished frame; undefined, and the slot is free again, if it holds no page. */
  seal(): CapturedFrame | undefined;
}

interface Slot {
  readonly start: number;
  readonly state: number;
  readonly fields: Uint32Array;
}

/** A fixed number of places in the arena where frames are built and stay until they are sent. */
export class FrameSlots {
  readonly #arena: Arena;
  readonly maxPayloadBytes: number;
  readonly #free: Slot[] = [];
  /** Slots whose memory the system has provided. */
  readonly #provided = new Set<Slot>();

  /** Bytes of arena taken. */
  static byteLength(slots: number, maxPayloadBytes: number): number {
    return slots * (tableRoom + maxPayloadBytes + slack + frameState.byteLength + 2 * 64);
  }

  constructor(arena: Arena, slots: number, maxPayloadBytes: number) {
    this.#arena = arena;
    this.maxPayloadBytes = maxPayloadBytes;
    for (let index = 0; index < slots; index++) {
      const state = arena.alloc(frameState.byteLength, 64);
      this.#free.push({
        start: arena.alloc(tableRoom + maxPayloadBytes + slack, 64),
        state,
        fields: arena.u32(state, frameState.byteLength / 4),
      });
    }
  }

  /** Slots in which a frame could be opened now. */
  get free(): number {
    return this.#free.length;
  }

  /**
   * Has the system provide the memory of one free slot, the next to be opened first, unless `most` slots have theirs: at the first touch it takes as long as
   * capturing a page does some five times. Whether there was one.
   */
  provide(most: number): boolean {
    if (this.#provided.size >= most) return false;
    const slot = this.#free.findLast((free) => !this.#provided.has(free));
    if (slot === undefined) return false;
    this.#provided.add(slot);
    this.#arena.bytes(slot.start, tableRoom + this.maxPayloadBytes + slack).fill(0);
    return true;
  }

  /** Opens a frame of at most so many payload bytes and pages, but never so few that no page fits. RangeError if no slot is free. */
  open(maxPayloadBytes: number, maxPages: number): OpenFrame {
    const slot = this.#free.pop();
    if (slot === undefined) throw new RangeError('no free frame slot: release a frame first');
    const { fields, start } = slot;
    const payloadStart = start + tableRoom;
    const payloadBytes = Math.min(
      Math.max(maxPayloadBytes, MIN_PAYLOAD_BYTES),
      this.maxPayloadBytes,
    );
    fields.fill(0);
    fields[frameState.payloadStart / 4] = payloadStart;
    fields[frameState.payloadLimit / 4] = payloadStart + payloadBytes;
    fields[frameState.tableStart / 4] = start + HEADER_ROOM;
    fields[frameState.tableLimit / 4] = payloadStart;
    fields[frameState.maxPages / 4] = Math.min(Math.max(maxPages, 1), MAX_FRAME_PAGES);
    fields[frameState.payloadEnd / 4] = payloadStart;
    fields[frameState.tableEnd / 4] = start + HEADER_ROOM;
    return {
      state: slot.state,
      pageCount: () => fields[frameState.pages / 4] ?? 0,
      roomPages: () => roomPages(fields),
      seal: () => this.#seal(slot),
    };
  }

  #seal(slot: Slot): CapturedFrame | undefined {
    const { fields } = slot;
    const body = this.#arena.kernels.captureSeal(slot.state) >>> 0;
    if (body === 0) {
      this.#free.push(slot);
      return undefined;
    }
    const tableBytes = slot.start + tableRoom - body;
    const bodyBytes = (fields[frameState.payloadEnd / 4] ?? 0) - body;
    const bytes = this.#arena.bytes(body - HEADER_ROOM, HEADER_ROOM + bodyBytes);
    let isReleased = false;
    return {
      bytes,
      tableBytes,
      bodyBytes,
      rawBytes: bodyBytes,
      pageCount: fields[frameState.pages / 4] ?? 0,
      pages: byKind(fields, frameState.pagesByKind),
      payloadBytes: byKind(fields, frameState.bytesByKind),
      copyTable: () => bytes.slice(HEADER_ROOM, HEADER_ROOM + tableBytes),
      release: () => {
        if (isReleased) return;
        isReleased = true;
        this.#free.push(slot);
      },
    };
  }
}

function roomPages(fields: Uint32Array): number {
  const { payloadLimit, payloadEnd, maxPages, pages } = frameState;
  const left = (most: number, used: number) => (fields[most / 4] ?? 0) - (fields[used / 4] ?? 0);
  const fitting = Math.floor(left(payloadLimit, payloadEnd) / MIN_PAYLOAD_BYTES);
  return Math.min(fitting, left(maxPages, pages));
}

function byKind(fields: Uint32Array, offset: number): ByKind {
  const of = (kind: number) => fields[offset / 4 + kind] ?? 0;
  return {
    zero: of(pageKind.zero),
    fill: of(pageKind.fill),
    delta: of(pageKind.delta),
    patch: of(pageKind.patch),
    raw: of(pageKind.raw),
  };
}
