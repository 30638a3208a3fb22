import fc from 'fast-check';
import { ferryErrorCodes } from '../../src/errors.js';
import type {
  Abort,
  Accept,
  FrameOrder,
  Hashes,
  HashesRequest,
  Held,
  Hello,
  Message,
  MessageName,
  OfferedRegion,
  SessionStanding,
  StateDelta,
} from '../../src/protocol/index.js';

const u8 = fc.integer({ min: 0, max: 0xff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const size = fc.maxSafeNat();
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const digest = bytes(32);
const name = fc.string({ unit: 'grapheme', maxLength: 12 });
const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const code = fc.constantFrom(...ferryErrorCodes);
const pageChannel = u32.filter((channel) => channel % 16 !== 0);
const milliseconds = fc.double({ min: 0, max: 1e12, noNaN: true }).map((value) => value + 0);
const scope = fc.constantFrom<Abort['scope']>('switchover', 'session');
const standing = fc.constantFrom<SessionStanding>(
  'new',
  'receiving',
  'ready',
  'running',
  'aborted',
  'start-failed',
  'unknown',
);
const ascending = (maxLength: number) =>
  fc.uniqueArray(u32, { maxLength }).map((indexes) => indexes.sort((left, right) => left - right));

const regions = fc.uniqueArray(u32, { maxLength: 8 }).chain((ids) =>
  fc.tuple(
    ...ids.map((id) =>
      fc.tuple(name, size, size).map(
        ([label, one, other]): OfferedRegion => ({
          id,
          name: label,
          byteLength: Math.min(one, other),
          maxByteLength: Math.max(one, other),
        }),
      ),
    ),
  ),
);

const place = fc.oneof(
  fc.record({
    role: fc.constantFrom<Hello['role']>('main', 'ask', 'replica'),
    channel: fc.constant(0),
  }),
  fc.record({
    role: fc.constant<Hello['role']>('pages'),
    channel: fc.integer({ min: 1, max: 0xffff_ffff }),
  }),
);

const hello = fc
  .tuple(fc.integer({ min: 1, max: 0xff }), fc.integer({ min: 1, max: 0xff }), place)
  .chain(([one, other, { role, channel }]) =>
    fc.record({
      type: fc.constant('HELLO' as const),
      minVersion: fc.constant(Math.min(one, other)),
      maxVersion: fc.constant(Math.max(one, other)),
      session: bytes(16),
      attempt: u32,
      channel: fc.constant(channel),
      role: fc.constant(role),
      capabilities: u32,
      proof: bytes(32),
    }),
  );

const offer = fc.record({
  type: fc.constant('OFFER' as const),
  pageSize: u32,
  secret: bytes(192),
  identity: fc.record({
    kind: name,
    version: name,
    features: fc.array(name, { maxLength: 6 }),
  }),
  handsOver: fc.boolean(),
  maxStateBytes: size,
  maxDowntimeMs: milliseconds,
  regions,
});

const pages = fc.uint8Array({ minLength: 3, maxLength: 300 }).chain((body) =>
  fc.record({
    type: fc.constant('PAGES' as const),
    tableBytes: fc.integer({ min: 1, max: body.length }),
    rawBytes: fc.oneof(fc.constant(body.length), fc.integer({ min: body.length, max: 593_919 })),
    body: fc.constant(body),
  }),
);

const hashes = ascending(12).chain((indexes) =>
  fc.record({
    type: fc.constant('HASHES' as const),
    region: u32,
    level: fc.constantFrom<Hashes['level']>('leaf', 'page'),
    entries: fc.tuple(
      ...indexes.map((index) =>
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((hash) => ({ index, hash })),
      ),
    ),
    last: fc.boolean(),
  }),
);

const hashesRequest: fc.Arbitrary<HashesRequest> = fc.record({
  type: fc.constant('HASHES_REQUEST' as const),
  region: u32,
  leaves: ascending(12),
  last: fc.boolean(),
});

const held = fc.record({
  type: fc.constant('HELD' as const),
  region: u32,
  level: fc.constantFrom<Held['level']>('range', 'page'),
  first: u32,
  digests: fc.integer({ min: 1, max: 12 }).chain((count) => bytes(count * 16)),
});

const heldRequest = fc.record({
  type: fc.constant('HELD_REQUEST' as const),
  region: u32,
  ranges: ascending(12).filter((ranges) => ranges.length > 0),
});

const stateChunk = fc
  .tuple(fc.uint8Array({ maxLength: 200 }), fc.nat(1e9), fc.nat(1e9))
  .map(([chunk, offset, behind]) => ({
    type: 'STATE' as const,
    totalBytes: offset + chunk.length + behind,
    offset,
    bytes: chunk,
  }));

const stateDelta = fc.record({
  type: fc.constant('STATE_DELTA' as const),
  purpose: fc.constantFrom<StateDelta['purpose']>('rehearsal', 'final'),
  firstUnit: u32,
  totalBytes: size,
  base: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  units: fc.uint8Array({ maxLength: 200 }),
});

const refusal = <Name extends 'REJECT' | 'FAILED' | 'START_FAILED'>(type: Name) =>
  fc.record({ type: fc.constant(type), code, text });

/** Every message there is, by type. */
export const messages: {
  readonly [Name in MessageName]: fc.Arbitrary<Extract<Message, { type: Name }>>;
} = {
  HELLO: hello,
  HELLO_ACK: fc.record({
    type: fc.constant('HELLO_ACK' as const),
    version: u8,
    standing,
    capabilities: u32,
    lastAppliedSeq: u32,
  }),
  OFFER: offer,
  ACCEPT: fc.record({
    type: fc.constant('ACCEPT' as const),
    bases: fc.array(fc.constantFrom<Accept['bases'][number]>('zero', 'unknown', 'held'), {
      maxLength: 20,
    }),
  }),
  REJECT: refusal('REJECT'),
  PAGES: pages,
  REGION: fc.record({
    type: fc.constant('REGION' as const),
    id: u32,
    name,
    byteLength: fc.oneof(fc.constant(-1), size),
  }),
  ROUND_END: fc.record({ type: fc.constant('ROUND_END' as const), round: u32 }),
  ACK: fc.record({
    type: fc.constant('ACK' as const),
    seq: u32,
    appliedBytes: size,
    rereadPages: size,
  }),
  HASHES: hashes,
  HASHES_REQUEST: hashesRequest,
  HELD: held,
  HELD_REQUEST: heldRequest,
  PING: fc.record({ type: fc.constant('PING' as const), token: u32 }),
  PONG: fc.record({ type: fc.constant('PONG' as const), token: u32 }),
  STATE: stateChunk,
  STATE_DELTA: stateDelta,
  REHEARSED: fc.record({ type: fc.constant('REHEARSED' as const), loadMs: milliseconds }),
  CHANNEL_CLOSE: fc.record({ type: fc.constant('CHANNEL_CLOSE' as const), channel: pageChannel }),
  CHANNEL_CLOSED: fc.record({
    type: fc.constant('CHANNEL_CLOSED' as const),
    channel: pageChannel,
    lastAppliedSeq: u32,
  }),
  LEAD: fc.record({
    type: fc.constant('LEAD' as const),
    token: u64,
    maxEpochBytes: size,
    guest: name,
    member: name,
  }),
  FOLLOW: fc.record({
    type: fc.constant('FOLLOW' as const),
    promiseMs: milliseconds,
    mayClaim: fc.boolean(),
    member: name,
  }),
  EPOCH: fc.record({
    type: fc.constant('EPOCH' as const),
    token: u64,
    number: size,
    finalSeq: u32,
    digest,
  }),
  EPOCH_ACK: fc.record({ type: fc.constant('EPOCH_ACK' as const), token: u64, number: size }),
  PREPARE: fc.record({
    type: fc.constant('PREPARE' as const),
    generation: size,
    finalSeqs: fc.array(u32, { minLength: 1, maxLength: 16 }),
    digest,
  }),
  READY: fc.record({ type: fc.constant('READY' as const), digest }),
  FAILED: refusal('FAILED'),
  COMMIT: fc.record(
    { type: fc.constant('COMMIT' as const), digest, revision: u64 },
    { requiredKeys: ['type', 'digest'] },
  ),
  RUNNING: fc.record({
    type: fc.constant('RUNNING' as const),
    digest,
    verifyMs: milliseconds,
    loadMs: milliseconds,
    acquireMs: milliseconds,
    resumeMs: milliseconds,
  }),
  START_FAILED: refusal('START_FAILED'),
  ABORT: fc.record({ type: fc.constant('ABORT' as const), scope, code, text }),
  ABORTED: fc.record({ type: fc.constant('ABORTED' as const), scope }),
};

export const anyMessage: fc.Arbitrary<Message> = fc.oneof(...Object.values(messages));

export const anyOrder: fc.Arbitrary<FrameOrder> = fc.record({ seq: u32, round: u32, attempt: u32 });
