import { kinds } from '../reference/run-table.js';
import { offeredBytes } from './fake-source.js';
import { accepted, body, type HostileRow, pages, run, say } from './hostile-says.js';

/** What is said behind ACCEPT. */
export const hostileTransfers: readonly HostileRow[] = [
  // What it sends.
  {
    what: 'a page out of range',
    code: 'ERR_OUT_OF_RANGE',
    ...accepted,
    say: pages([4, ...run(1, kinds.zero), 0]),
  },
  {
    what: 'a run that ends out of range',
    code: 'ERR_OUT_OF_RANGE',
    ...accepted,
    say: pages([3, ...run(2, kinds.zero), 0]),
  },
  {
    what: 'a page of an unknown region',
    code: 'ERR_OUT_OF_RANGE',
    ...accepted,
    say: pages([0, ...run(1, kinds.zero), 1]),
  },
  {
    what: 'overlapping runs',
    code: 'ERR_FRAME_CORRUPT',
    ...accepted,
    say: pages([0, ...run(2, kinds.zero), 0, 1, ...run(2, kinds.zero), 0]),
  },
  {
    what: 'a gap that runs over',
    code: 'ERR_OUT_OF_RANGE',
    ...accepted,
    say: pages([
      2,
      ...run(1, kinds.zero),
      0,
      0xff,
      0xff,
      0xff,
      0xff,
      0x0f,
      ...run(1, kinds.zero, false),
    ]),
  },
  {
    what: 'a run of no pages',
    code: 'ERR_FRAME_CORRUPT',
    ...accepted,
    say: pages([0, ...run(0, kinds.zero), 0]),
  },
  {
    what: 'a number written too long',
    code: 'ERR_FRAME_CORRUPT',
    ...accepted,
    say: pages([0x80, 0, ...run(1, kinds.zero), 0]),
  },
  {
    what: 'an unknown kind of page',
    code: 'ERR_FRAME_CORRUPT',
    ...accepted,
    say: pages([0, ...run(1, 7), 0], [1]),
  },
  {
    what: 'a reserved kind of page',
    code: 'ERR_FRAME_CORRUPT',
    ...accepted,
    say: pages([0, ...run(1, 4), 0], [1, 0, 1]),
  },
  {
    what: 'a raw page with too little payload',
    code: 'ERR_FRAME_CORRUPT',
    ...accepted,
    say: pages([0, ...run(1, kinds.raw), 0], [1, 2, 3]),
  },
  {
    what: 'payload for nobody',
    code: 'ERR_FRAME_CORRUPT',
    ...accepted,
    say: pages([0, ...run(1, kinds.zero), 0], [1]),
  },
  {
    what: 'a table that ends in a run',
    code: 'ERR_FRAME_CORRUPT',
    ...accepted,
    say: pages([0, 0x98, 0x80]),
  },
  {
    what: 'a table longer than its body',
    code: 'ERR_FRAME_CORRUPT',
    after: 'accepted',
    say: body('PAGES', [0, 0x18, 0], { tableBytes: 4 }),
  },
  {
    what: 'a delta longer than its payload',
    code: 'ERR_FRAME_CORRUPT',
    ...accepted,
    say: pages([0, ...run(1, kinds.delta), 0], [200, 0, 1, 1, 9]),
  },
  {
    what: 'a delta that leaves its page',
    code: 'ERR_FRAME_CORRUPT',
    ...accepted,
    say: pages([0, ...run(1, kinds.delta), 0], [4, 0, 0xff, 0x1f, 2, 9]),
  },
  {
    what: 'a patch that nobody agreed to take',
    code: 'ERR_FRAME_CORRUPT',
    ...accepted,
    say: pages([0, ...run(1, kinds.patch), 0], [2, 0, 4, 9]),
  },
  {
    what: 'a region that shrinks',
    code: 'ERR_OUT_OF_RANGE',
    ...accepted,
    say: say({ type: 'REGION', id: 0, name: 'fake.img', byteLength: 4096 }),
  },
  {
    what: 'a region that outgrows its maximum',
    code: 'ERR_REGION_TOO_LARGE',
    ...accepted,
    say: say({ type: 'REGION', id: 0, name: 'fake.img', byteLength: offeredBytes + 1 }),
  },
  {
    what: 'a region that appears',
    code: 'ERR_UNSUPPORTED',
    ...accepted,
    say: say({ type: 'REGION', id: 9, name: 'more', byteLength: 4096 }),
  },
  {
    what: 'a region that vanishes',
    code: 'ERR_UNSUPPORTED',
    ...accepted,
    say: say({ type: 'REGION', id: 0, name: 'fake.img', byteLength: -1 }),
  },
  {
    what: 'a state larger than announced',
    code: 'ERR_STATE_TOO_LARGE',
    ...accepted,
    say: say({ type: 'STATE', totalBytes: 1, offset: 0, bytes: Uint8Array.of(1) }),
  },
  {
    what: 'a piece of state beyond its total',
    code: 'ERR_FRAME_CORRUPT',
    after: 'accepted',
    say: body('STATE', [...new Array<number>(16).fill(0), 1]),
  },
  {
    what: 'a state that differs from another, which nobody agreed to take',
    code: 'ERR_UNEXPECTED_MESSAGE',
    ...accepted,
    say: say({
      type: 'STATE_DELTA',
      purpose: 'rehearsal',
      firstUnit: 0,
      totalBytes: 0,
      base: 0n,
      units: new Uint8Array(),
    }),
  },
  {
    what: 'a text longer than its message',
    code: 'ERR_FRAME_CORRUPT',
    after: 'accepted',
    say: body('ABORT', [2, 0, 1, 0, 9, 0, 0x61]),
  },
  {
    what: 'a wish for hashes that do not exist',
    code: 'ERR_OUT_OF_RANGE',
    after: 'repairing',
    answer: 'FAILED',
    say: say({ type: 'HASHES_REQUEST', region: 0, leaves: [0, 70], last: true }),
  },
  {
    what: 'a wish for hashes of an unknown region',
    code: 'ERR_OUT_OF_RANGE',
    after: 'repairing',
    answer: 'FAILED',
    say: say({ type: 'HASHES_REQUEST', region: 9, leaves: [0], last: true }),
  },
  {
    what: 'PREPARE before the state',
    code: 'ERR_UNEXPECTED_MESSAGE',
    ...accepted,
    say: (source) => source.say(source.prepare()),
  },
];
