import type { DirtyRun } from '../codec/capture-options.js';
import type { ByKind } from '../codec/frame-slots.js';
import type { LinearMemory } from '../core/linear-memory.js';
import type { FerryErrorCode } from '../errors.js';
import type { Thread, ThreadStart } from '../guests/worker-thread.js';
import type { Base } from '../memory/region.js';
import type { DirtyTracker } from '../memory/tracker.js';
import type { ResolvedOptions } from './options.js';

/** Where every thread of the process finds a region's bytes: in shared memory, or in a file, by the number of an open descriptor. */
export type SharedPlace =
  | {
      readonly memory: SharedArrayBuffer;
      readonly byteOffset: number;
      /** The WebAssembly.Memory that begins with the region, if there is one. */
      readonly linear: LinearMemory | undefined;
    }
  | { readonly descriptor: number; readonly byteOffset: number };

/** A piece of a region for a member to capture. */
export interface PieceLayout {
  readonly id: number;
  /** Which of all regions that ever came it is a piece of: ids are given anew. */
  readonly arrival: number;
  readonly partOf: { readonly region: number; readonly firstPage: number };
  readonly name: string;
  readonly byteLength: number;
  readonly maxByteLength: number;
  readonly concurrent: boolean;
  /** See `DirtyTracker.unseen`. */
  readonly unseen: boolean;
  readonly place: SharedPlace;
}

/** What a member begins with. */
export interface MemberSetup {
  readonly pieces: readonly PieceLayout[];
  readonly tracker: Pick<DirtyTracker, 'exact' | 'evidence'>;
  readonly secret: Uint8Array;
  /** Its part of what there is for all. */
  readonly shadowBytes: number;
  readonly baseCacheBytes: number;
  readonly channels: number;
  readonly slots: number;
  readonly members: number;
  readonly compression: ResolvedOptions['compression'];
  /** The destination takes LZ4. */
  readonly lz4: boolean;
  /** Frames carry a checksum. */
  readonly sums: boolean;
  /** Bytes a second that live rounds may leave with at most. */
  readonly ceiling: number;
}

export interface CaptureOrder {
  readonly do: 'capture';
  readonly channel: number;
  readonly maxPayloadBytes: number;
  readonly maxPages: number;
  readonly paused: boolean;
  /** Bytes a second, see `Meter.mayCarry`. */
  readonly mayCarry: number | undefined;
  /** Frames whose bytes are sent: told with the next order, as a message of its own costs more than it says. */
  readonly released: readonly number[];
}

/** What a member is told, carried out one after the other. */
export type CrewOrder =
  | CaptureOrder
  | { readonly do: 'take-back'; readonly frame: number }
  | { readonly do: 'free-claims'; readonly channel: number | undefined }
  | { readonly do: 'set-base'; readonly piece: number; readonly base: Base }
  | { readonly do: 'repair'; readonly piece: number; readonly pages: readonly number[] }
  /** All pieces there are now. */
  | { readonly do: 'sync'; readonly pieces: readonly PieceLayout[] }
  | { readonly do: 'mark-all' }
  /** By piece, the words of a bitmap of the pages that may have changed; `unseen`: and all of pieces that others may write. */
  | {
      readonly do: 'take-dirty';
      readonly marks: ReadonlyMap<number, Uint32Array>;
      readonly unseen: boolean;
    }
  | { readonly do: 'audit'; readonly maxPages: number }
  | { readonly do: 'settle-audit' }
  | { readonly do: 'leaves' }
  | { readonly do: 'page-hashes'; readonly piece: number; readonly leaf: number };

/** A captured frame that stands in the member's memory, as it is to leave. */
export interface FrameNews {
  readonly frame: number;
  /** Of the room for its header. */
  readonly address: number;
  readonly byteLength: number;
  readonly tableBytes: number;
  readonly bodyBytes: number;
  readonly rawBytes: number;
  readonly pageCount: number;
  readonly pages: ByKind;
  readonly payloadBytes: ByKind;
  /** The run table, where the body is compressed. */
  readonly table: Uint8Array | undefined;
  readonly checksum: bigint | undefined;
}

export interface CaptureNews {
  readonly frame: FrameNews | undefined;
  readonly examinedPages: number;
  readonly exhausted: boolean;
}

/** How a member stands behind an order. */
export interface CrewStanding {
  readonly dirtyPages: number;
  readonly auditPagesLeft: number;
}

/** What some orders are answered with. */
export interface CrewAnswer {
  readonly capture?: CaptureNews;
  /** Dirty pages, by piece, where the tracker is exact. */
  readonly runs?: readonly DirtyRun[];
  /** Leaves by piece, or the page hashes of one leaf. */
  readonly hashes?: ReadonlyMap<number, BigUint64Array>;
}

/** Orders that nothing is heard of, unless they fail. */
export type QuietOrder = Extract<
  CrewOrder,
  { readonly do: 'take-back' | 'free-claims' | 'set-base' | 'repair' | 'sync' }
>;

/** What a member says: once where its memory is, then in turn how each order went that is answered. Behind an error there is nothing more. */
export type CrewNews =
  | { readonly memory: LinearMemory }
  | { readonly answer: CrewAnswer; readonly standing: CrewStanding }
  | { readonly error: { readonly code: FerryErrorCode; readonly message: string } };

/** One thread that runs a `CrewMember`. */
export type CrewThread = Thread<CrewOrder>;

export type StartThread = ThreadStart<MemberSetup, CrewOrder, CrewNews>;
