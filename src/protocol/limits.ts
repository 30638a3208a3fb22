import type { MessageName } from './messages.js';

/** Bytes of the header in front of every body. */
export const headerBytes = 40;

export const maxNameBytes = 255;
export const maxTextBytes = 1024;
export const secretBytes = 192;
export const sessionBytes = 16;
export const proofBytes = 32;
export const digestBytes = 32;
export const maxFeatures = 64;
/** Connections of one session that carry pages, the control channel included. */
export const maxChannels = 16;
export const maxRegions = 4096;
/** Entries of one HASHES message. */
export const maxHashes = 4096;
/** Leaves of one HASHES_REQUEST: their page hashes are 64 full HASHES messages. */
export const maxRequestedLeaves = 512;
/** Bytes of a SHA-256 that HELD says, how many it has room for, and the ranges that one HELD_REQUEST asks about. */
export const heldDigestBytes = 16;
export const maxHeldDigests = 2048;
export const maxHeldRanges = 2048;
export const maxStateChunkBytes = 65_536;
/** Bytes of a run table: what the header's u16 can say. */
export const maxTableBytes = 65_535;
/** Bytes behind the run table: 512 KiB and room for one more page where a frame was filled a little over. */
export const maxPayloadBytes: number = 512 * 1024 + 4096;

/** A receive area that every frame but PAGES fits. */
export const firstAreaBytes: number = 128 * 1024;

/** Bytes of the largest frame there is. A receive area of this size takes all of them. */
export const maxFrameBytes: number = headerBytes + maxTableBytes + maxPayloadBytes;

export interface BodyLimits {
  readonly min: number;
  readonly max: number;
}

const exactly = (bytes: number): BodyLimits => ({ min: bytes, max: bytes });
/** A u16 error code and a text behind its u16 length. */
const codeAndText: BodyLimits = { min: 4, max: 4 + maxTextBytes };

/** Bytes that a body of each type can have; checked before a byte of it is buffered. */
export const bodyLimits: Readonly<Record<MessageName, BodyLimits>> = {
  HELLO: exactly(64),
  HELLO_ACK: exactly(12),
  OFFER: { min: 218, max: firstAreaBytes - headerBytes },
  ACCEPT: { min: 2, max: 2 + maxRegions },
  REJECT: codeAndText,
  PAGES: { min: 3, max: maxTableBytes + maxPayloadBytes },
  REGION: { min: 13, max: 13 + maxNameBytes },
  ROUND_END: exactly(4),
  ACK: exactly(20),
  HASHES: { min: 8, max: 8 + maxHashes * 12 },
  HASHES_REQUEST: { min: 8, max: 8 + maxRequestedLeaves * 4 },
  PING: exactly(4),
  PONG: exactly(4),
  STATE: { min: 16, max: 16 + maxStateChunkBytes },
  PREPARE: { min: 44, max: 44 + 4 * (maxChannels - 1) },
  READY: exactly(32),
  FAILED: codeAndText,
  COMMIT: { min: 32, max: 40 },
  RUNNING: exactly(64),
  START_FAILED: codeAndText,
  ABORT: { min: 6, max: 6 + maxTextBytes },
  ABORTED: exactly(1),
  STATE_DELTA: { min: 24, max: 24 + maxStateChunkBytes },
  REHEARSED: exactly(8),
  HELD: { min: 12 + heldDigestBytes, max: 12 + maxHeldDigests * heldDigestBytes },
  HELD_REQUEST: { min: 8 + 4, max: 8 + maxHeldRanges * 4 },
  CHANNEL_CLOSE: exactly(4),
  CHANNEL_CLOSED: exactly(8),
  LEAD: { min: 18, max: 18 + 2 * maxNameBytes },
  FOLLOW: { min: 10, max: 10 + maxNameBytes },
  EPOCH: exactly(52),
  EPOCH_ACK: exactly(16),
};

/** The receive area of a connection that has not said HELLO: nothing else fits it. */
export const helloAreaBytes: number = headerBytes + bodyLimits.HELLO.max;

/** The receive area of one that asked for a session of the past: what may follow fits it. */
export const askedAreaBytes: number = headerBytes + bodyLimits.ABORT.max;
