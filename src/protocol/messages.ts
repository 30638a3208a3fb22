import type { FerryErrorCode } from '../errors.js';

/** Message numbers on the wire. 0 is invalid. */
export const messageType = {
  HELLO: 1,
  HELLO_ACK: 2,
  OFFER: 3,
  ACCEPT: 4,
  REJECT: 5,
  PAGES: 6,
  REGION: 7,
  ROUND_END: 8,
  ACK: 9,
  HASHES: 10,
  HASHES_REQUEST: 11,
  PING: 12,
  PONG: 13,
  STATE: 14,
  PREPARE: 15,
  READY: 16,
  FAILED: 17,
  COMMIT: 18,
  RUNNING: 19,
  START_FAILED: 20,
  ABORT: 21,
  ABORTED: 22,
  STATE_DELTA: 23,
  REHEARSED: 24,
  HELD: 25,
  HELD_REQUEST: 26,
  CHANNEL_CLOSE: 27,
  CHANNEL_CLOSED: 28,
  LEAD: 29,
  FOLLOW: 30,
  EPOCH: 31,
  EPOCH_ACK: 32,
} as const;

export type MessageName = keyof typeof messageType;

/** Where a destination stands with a session, as told to a source that (re)connects. */
export type SessionStanding =
  | 'new'
  | 'receiving'
  | 'ready'
  | 'running'
  | 'aborted'
  | 'start-failed'
  | 'unknown';

/** First message on every connection, source to destination. Fixed size. */
export interface Hello {
  readonly type: 'HELLO';
  /** Lowest and highest protocol version the source speaks, 1 to 255. */
  readonly minVersion: number;
  readonly maxVersion: number;
  /** 16 random bytes. */
  readonly session: Uint8Array;
  /** Counts up from 1 with every connection of the session. */
  readonly attempt: number;
  /** 0 is the control channel; with role 'pages' an id, see `channelNumber`. */
  readonly channel: number;
  /** 'main' migrates; 'ask' only wants to know how a committed switchover ended; 'pages' carries pages of the attempt under way; 'replica' replicates. */
  readonly role: 'main' | 'ask' | 'pages' | 'replica';
  /** Bit set of optional abilities: bits of `capability`. */
  readonly capabilities: number;
  /** 32 bytes: that this connection is of who opened the session (docs/protocol.md, section 10); zeros where the transport proves nobody. */
  readonly proof: Uint8Array;
}
export interface HelloAck {
  readonly type: 'HELLO_ACK';
  readonly version: number;
  readonly standing: SessionStanding;
  readonly capabilities: number;
  /** seq of the last frame applied on this session's control channel; 0 for role 'pages'. */
  readonly lastAppliedSeq: number;
}

export interface OfferedRegion {
  readonly id: number;
  /** At most 255 bytes of UTF-8. */
  readonly name: string;
  readonly byteLength: number;
  readonly maxByteLength: number;
}
export interface Offer {
  readonly type: 'OFFER';
  /** 4096. */
  readonly pageSize: number;
  /** 192 random bytes: the XXH3 secret of this session's page hashes. */
  readonly secret: Uint8Array;
  readonly identity: {
    readonly kind: string;
    readonly version: string;
    readonly features: readonly string[];
  };
  readonly handsOver: boolean;
  readonly maxStateBytes: number;
  /** Longest downtime the source means to allow; 0 = no limit. Milliseconds. */
  readonly maxDowntimeMs: number;
  /** At most 4096. */
  readonly regions: readonly OfferedRegion[];
}
export interface Accept {
  readonly type: 'ACCEPT';
  /**
   * What the destination's copy of each offered region holds, in the order of the offer. 'zero': every byte is zero. 'unknown': anything. 'held': what may be an
   * older copy; its digests follow in HELD.
   */
  readonly bases: readonly ('zero' | 'unknown' | 'held')[];
}
export interface Reject {
  readonly type: 'REJECT';
  readonly code: FerryErrorCode;
  /** At most 1024 bytes of UTF-8, as in every `text`. */
  readonly text: string;
}
/** Its body is a run table and a payload (docs/protocol.md section 4); it is not decoded here. */
export interface Pages {
  readonly type: 'PAGES';
  /** Of the body before compression. */
  readonly tableBytes: number;
  /** Bytes of the body before compression: where it has fewer, it is one LZ4 block. */
  readonly rawBytes: number;
  /** The body in the channel's buffer: valid only while the frame is handled. */
  readonly body: Uint8Array;
}
export interface RegionChange {
  readonly type: 'REGION';
  readonly id: number;
  readonly name: string;
  /** The new size; -1: the region vanished. */
  readonly byteLength: number;
}
export interface RoundEnd {
  readonly type: 'ROUND_END';
  readonly round: number;
}
export interface Ack {
  readonly type: 'ACK';
  readonly seq: number;
  readonly appliedBytes: number;
  /** Pages the destination's full re-read has still to look at. */
  readonly rereadPages: number;
}
export interface Hashes {
  readonly type: 'HASHES';
  readonly region: number;
  /** 'leaf': index counts leaves of 512 pages; 'page': index counts pages. */
  readonly level: 'leaf' | 'page';
  /** At most 4096 entries, ascending indexes. `last` ends one answer or report. */
  readonly entries: readonly { readonly index: number; readonly hash: bigint }[];
  readonly last: boolean;
}
export interface HashesRequest {
  readonly type: 'HASHES_REQUEST';
  readonly region: number;
  /** Leaves whose page hashes are wanted, ascending, at most 512. Empty: there are none. */
  readonly leaves: readonly number[];
  readonly last: boolean;
}
/** What the destination held before of a region whose base it called 'held'; needs the capability. */
export interface Held {
  readonly type: 'HELD';
  readonly region: number;
  /** 'range': of stretches of 256 pages; 'page': of pages, as asked for. */
  readonly level: 'range' | 'page';
  /** Number of the first range, or page; the others follow it without a gap. */
  readonly first: number;
  /** 16 bytes for each, the beginning of its SHA-256; 1 to 2048 of them. */
  readonly digests: Uint8Array;
}
/** Asks for the digests of the pages in ranges. */
export interface HeldRequest {
  readonly type: 'HELD_REQUEST';
  readonly region: number;
  /** Ascending, 1 to 2048 of them. */
  readonly ranges: readonly number[];
}
export interface Ping {
  readonly type: 'PING';
  readonly token: number;
}
export interface Pong {
  readonly type: 'PONG';
  readonly token: number;
}
export interface StateChunk {
  readonly type: 'STATE';
  readonly totalBytes: number;
  readonly offset: number;
  /** At most 65536 bytes; copied out of the frame by the decoder. */
  readonly bytes: Uint8Array;
}
/** A piece of a state, by how it differs from the one rehearsed last; needs the capability. */
export interface StateDelta {
  readonly type: 'STATE_DELTA';
  /** 'rehearsal': to be the base of the next; 'final': what the guest starts with. */
  readonly purpose: 'rehearsal' | 'final';
  /** First of the units of 4096 bytes in this piece, u32. */
  readonly firstUnit: number;
  readonly totalBytes: number;
  /** XXH3-64 of the whole base: the state rehearsed before, or nothing. */
  readonly base: bigint;
  /** At most 65536 bytes; docs/protocol.md, "STATE_DELTA". Copied out of the frame by the decoder. */
  readonly units: Uint8Array;
}
export interface Rehearsed {
  readonly type: 'REHEARSED';
  readonly loadMs: number;
}
export interface Prepare {
  readonly type: 'PREPARE';
  readonly generation: number;
  /** Of each channel the seq of its last PAGES, REGION or STATE frame; 0: it had none, or is closed. At least 1, at most 16 channels. */
  readonly finalSeqs: readonly number[];
  /** SHA-256 of the transcript, 32 bytes (docs/protocol.md section 6). */
  readonly digest: Uint8Array;
}
/** The source gave a page channel up; needs the capability. */
export interface ChannelClose {
  readonly type: 'CHANNEL_CLOSE';
  /** Its id: see `channelNumber`. */
  readonly channel: number;
}
/** Nothing more of a page channel will be applied. */
export interface ChannelClosed {
  readonly type: 'CHANNEL_CLOSED';
  readonly channel: number;
  /** seq of its last PAGES that was applied; 0: none. */
  readonly lastAppliedSeq: number;
}
export interface Ready {
  readonly type: 'READY';
  readonly digest: Uint8Array;
}
export interface Failed {
  readonly type: 'FAILED';
  readonly code: FerryErrorCode;
  readonly text: string;
}
export interface Commit {
  readonly type: 'COMMIT';
  readonly digest: Uint8Array;
  /** Of the owner record, where the guest has one: the destination claims against it. */
  readonly revision?: bigint;
}
export interface Running {
  readonly type: 'RUNNING';
  readonly digest: Uint8Array;
  /** The destination's share of the downtime, milliseconds. */
  readonly verifyMs: number;
  readonly loadMs: number;
  readonly acquireMs: number;
  readonly resumeMs: number;
}
export interface StartFailed {
  readonly type: 'START_FAILED';
  readonly code: FerryErrorCode;
  readonly text: string;
}
export interface Abort {
  readonly type: 'ABORT';
  /** 'switchover': back to receiving, the session goes on; 'session': it is over. */
  readonly scope: 'switchover' | 'session';
  readonly code: FerryErrorCode;
  readonly text: string;
}
export interface Aborted {
  readonly type: 'ABORTED';
  readonly scope: 'switchover' | 'session';
}

/** Of a guest's owner, to who is to be its standby, or to go on with it. */
export interface Lead {
  readonly type: 'LEAD';
  /** Its generation: the fencing token. */
  readonly token: bigint;
  /** Bytes of frames that an epoch has at most; a larger one leaves the standby out of sync until it ended. 0 where the guest is migrated. */
  readonly maxEpochBytes: number;
  /** Of the guest, and of its owner: see `OwnerRecord`. */
  readonly guest: string;
  readonly member: string;
}
/** What will be the standby, or go on with the guest. */
export interface Follow {
  readonly type: 'FOLLOW';
  /** False: it only keeps what it is sent. */
  readonly mayClaim: boolean;
  /** How long each acknowledgement promises not to claim, milliseconds. */
  readonly promiseMs: number;
  readonly member: string;
}
/** All frames up to `finalSeq` are epoch `number`, or the rest of it. */
export interface EpochEnd {
  readonly type: 'EPOCH';
  readonly token: bigint;
  /** From 1, through all generations. */
  readonly number: number;
  /** seq of its last PAGES, REGION or STATE_DELTA frame; 0: no frame at all so far. */
  readonly finalSeq: number;
  /** SHA-256 of the transcript, with `number` for the generation. */
  readonly digest: Uint8Array;
}
/** The standby has all of the epoch, applied and verified. */
export interface EpochAck {
  readonly type: 'EPOCH_ACK';
  readonly token: bigint;
  readonly number: number;
}

export type Message =
  | Hello
  | HelloAck
  | Offer
  | Accept
  | Reject
  | Pages
  | RegionChange
  | RoundEnd
  | Ack
  | Hashes
  | HashesRequest
  | Ping
  | Pong
  | StateChunk
  | StateDelta
  | Prepare
  | Ready
  | Failed
  | Commit
  | Running
  | StartFailed
  | Abort
  | Aborted
  | Rehearsed
  | Held
  | HeldRequest
  | ChannelClose
  | ChannelClosed
  | Lead
  | Follow
  | EpochEnd
  | EpochAck;
