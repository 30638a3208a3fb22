import type { FrameOrder, Message, MessageName } from '../../src/protocol/index.js';

/** 0, 1, 2, ... */
function counting(length: number, first = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (first + index) & 0xff);
}

/** seq, round and attempt of every example in docs/protocol.md. */
export const exampleOrder: FrameOrder = { seq: 7, round: 2, attempt: 1 };

/** The messages whose frames docs/protocol.md shows, one of each type. */
export const examples: {
  readonly [Name in MessageName]: Extract<Message, { type: Name }>;
} = {
  HELLO: {
    type: 'HELLO',
    minVersion: 1,
    maxVersion: 1,
    session: counting(16),
    attempt: 1,
    channel: 0,
    role: 'main',
    capabilities: 0,
    proof: counting(32, 16),
  },
  HELLO_ACK: {
    type: 'HELLO_ACK',
    version: 1,
    standing: 'receiving',
    capabilities: 0,
    lastAppliedSeq: 41,
  },
  OFFER: {
    type: 'OFFER',
    pageSize: 4096,
    secret: counting(192),
    identity: { kind: 'buffer', version: '1', features: ['a'] },
    handsOver: true,
    maxStateBytes: 1024,
    maxDowntimeMs: 50,
    regions: [{ id: 0, name: 'memory', byteLength: 65_536, maxByteLength: 131_072 }],
  },
  ACCEPT: { type: 'ACCEPT', bases: ['zero', 'unknown'] },
  REJECT: { type: 'REJECT', code: 'ERR_NO_CAPACITY', text: 'full' },
  PAGES: {
    type: 'PAGES',
    tableBytes: 5,
    rawBytes: 13,
    // Region 0: pages 2 to 4 zero (gap 2, 3 pages); then after a gap of 1, page 6 filled with 8 bytes.
    body: Uint8Array.of(0x02, 0x38, 0x00, 0x01, 0x11, ...counting(8, 0xa0)),
  },
  REGION: { type: 'REGION', id: 3, name: 'log', byteLength: 8192 },
  ROUND_END: { type: 'ROUND_END', round: 2 },
  ACK: { type: 'ACK', seq: 6, appliedBytes: 262_144, rereadPages: 16 },
  HASHES: {
    type: 'HASHES',
    region: 0,
    level: 'page',
    entries: [{ index: 6, hash: 0x0123_4567_89ab_cdefn }],
    last: true,
  },
  HASHES_REQUEST: { type: 'HASHES_REQUEST', region: 0, leaves: [0, 2], last: true },
  HELD: { type: 'HELD', region: 0, level: 'page', first: 256, digests: counting(32) },
  HELD_REQUEST: { type: 'HELD_REQUEST', region: 0, ranges: [1, 3] },
  PING: { type: 'PING', token: 0x0102_0304 },
  PONG: { type: 'PONG', token: 0x0102_0304 },
  STATE: { type: 'STATE', totalBytes: 10, offset: 6, bytes: counting(4) },
  PREPARE: { type: 'PREPARE', generation: 1, finalSeqs: [6], digest: counting(32) },
  READY: { type: 'READY', digest: counting(32) },
  FAILED: { type: 'FAILED', code: 'ERR_DIGEST', text: 'twice' },
  COMMIT: { type: 'COMMIT', digest: counting(32) },
  RUNNING: {
    type: 'RUNNING',
    digest: counting(32),
    verifyMs: 0.5,
    loadMs: 0.25,
    acquireMs: 0,
    resumeMs: 1,
  },
  START_FAILED: { type: 'START_FAILED', code: 'ERR_GUEST', text: 'no' },
  ABORT: { type: 'ABORT', scope: 'switchover', code: 'ERR_PEER_TIMEOUT', text: 'late' },
  ABORTED: { type: 'ABORTED', scope: 'session' },
  STATE_DELTA: {
    type: 'STATE_DELTA',
    purpose: 'final',
    firstUnit: 1,
    totalBytes: 8200,
    base: 0x0123_4567_89ab_cdefn,
    // Unit 1 has its fifth byte replaced by 9; unit 2 is 8 bytes, all of them here.
    units: Uint8Array.of(3, 0, 4, 1, 9, 0xff, 0xff, ...counting(8)),
  },
  REHEARSED: { type: 'REHEARSED', loadMs: 0.25 },
  CHANNEL_CLOSE: { type: 'CHANNEL_CLOSE', channel: 18 },
  CHANNEL_CLOSED: { type: 'CHANNEL_CLOSED', channel: 18, lastAppliedSeq: 41 },
  LEAD: { type: 'LEAD', token: 3n, maxEpochBytes: 65_536, guest: 'orders', member: 'a#1' },
  FOLLOW: { type: 'FOLLOW', promiseMs: 0.5, mayClaim: true, member: 'b#2' },
  EPOCH: { type: 'EPOCH', token: 3n, number: 5, finalSeq: 41, digest: counting(32) },
  EPOCH_ACK: { type: 'EPOCH_ACK', token: 3n, number: 5 },
};
