import { type CapturedFrame, MIN_PAYLOAD_BYTES } from './frame-slots.js';

export interface CaptureOptions {
  /** 192 bytes, random per session: the secret of all page hashes. */
  readonly secret: Uint8Array;
  /** Most bytes of shadow. Pages beyond are found by their hash alone. */
  readonly shadowBytes: number;
  /** Bytes of base cache for pages without a shadow, rounded down to a power of two of pages; 0: none. */
  readonly baseCacheBytes: number;
  /** The destination takes patches; they are made where there is a shadow. Default false. */
  readonly patches?: boolean;
  /** The destination takes LZ4: there is a `compressor`. Default false. */
  readonly lz4?: boolean;
  /** Channels that carry pages: see `CaptureBudget.channel`. Default 1. More than one excludes patches. */
  readonly channels?: number;
  /** Frames stand in memory that other threads can see. Default false. */
  readonly shared?: boolean;
  /** Frames that may exist at once. Default 8 for each channel. */
  readonly slots?: number;
  /** Largest payload of a frame. Default 512 KiB. */
  readonly maxPayloadBytes?: number;
}

export interface CaptureBudget {
  /** Who sends the frame: it takes pages that no other channel claimed, which are its own then (`CaptureEngine.freeClaims`). Default 0. */
  readonly channel?: number;
  /** Payload bytes of the frame; at least one page is taken whatever this says. */
  readonly maxPayloadBytes: number;
  /** Pages to look at. */
  readonly maxPages: number;
}

/** Consecutive dirty pages of a region. */
export interface DirtyRun {
  readonly region: number;
  readonly first: number;
  readonly count: number;
}

export interface Capture {
  /** Undefined if every page looked at was as the destination knows it. */
  readonly frame: CapturedFrame | undefined;
  readonly examinedPages: number;
  /** No dirty page is left that the channel may send. */
  readonly exhausted: boolean;
}

type ResolvedCapture = Required<
  Pick<CaptureOptions, 'channels' | 'patches' | 'lz4' | 'slots' | 'maxPayloadBytes'>
>;

/** What may be left out, with its defaults. RangeError for what cannot be. */
export function resolveCapture(options: CaptureOptions): ResolvedCapture {
  const { channels = 1, patches = false, lz4 = false } = options;
  if (!Number.isInteger(channels) || channels < 1) throw new RangeError(`channels: ${channels}`);
  // What a patch refers to must be there when it is applied: only one channel has an order.
  if (patches && channels > 1) throw new RangeError('patches travel on one channel only');
  const { slots = 8 * channels, maxPayloadBytes = 512 << 10 } = options;
  if (!Number.isInteger(slots) || slots < 1) throw new RangeError(`slots: ${slots}`);
  if (!Number.isInteger(maxPayloadBytes) || maxPayloadBytes < MIN_PAYLOAD_BYTES) {
    throw new RangeError(`maxPayloadBytes must be at least ${MIN_PAYLOAD_BYTES}`);
  }
  return { channels, patches, lz4, slots, maxPayloadBytes };
}
