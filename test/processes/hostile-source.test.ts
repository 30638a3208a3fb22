import { describe, expect, it } from 'vitest';
import {
  encodeMessage,
  headerBytes,
  type Message,
  type MessageName,
  type Offer,
} from '../../src/protocol/index.js';
import { kinds, varint } from '../reference/run-table.js';
import { FakeSource, offeredBytes } from './fake-source.js';
import { forge, type Lies } from './forge.js';
import { dropped, inRoom } from './room.js';

interface Row {
  readonly what: string;
  readonly code: string;
  /** How far it gets before it says it. */
  readonly after: 'connected' | 'greeted' | 'accepted' | 'repairing';
  readonly say: (source: FakeSource) => void;
  /** What the receiver answers before it hangs up, where it can. */
  readonly answer?: 'REJECT' | 'FAILED';
}

const accepted = { after: 'accepted', answer: 'FAILED' } as const;
const greeted = { after: 'greeted', answer: 'REJECT' } as const;

/** A body with everything around it as it should be. */
function body(name: MessageName, bytes: readonly number[], lies?: Lies): Row['say'] {
  return (source) => source.write(forge(name, Uint8Array.from(bytes), source.order(), lies));
}

/** PAGES of one run table and payload. */
function pages(table: readonly number[], payload: readonly number[] = []): Row['say'] {
  return body('PAGES', [...table, ...payload], { tableBytes: table.length });
}

function say(message: Message): Row['say'] {
  return (source) => source.say(message);
}

function offer(change: (offer: Offer) => Partial<Offer>): Row['say'] {
  return (source) => source.say({ ...source.offer, ...change(source.offer) });
}

/** The right OFFER but for one byte of its body. */
function offerWith(at: number, value: number): Row['say'] {
  return (source) => {
    const order = source.order();
    const bytes = encodeMessage(source.offer, order).slice(headerBytes);
    bytes[at] = value;
    source.write(forge('OFFER', bytes, order));
  };
}

function named(name: string): Row['say'] {
  return offer(({ regions }) => ({ regions: regions.map((region) => ({ ...region, name })) }));
}

const run = (count: number, kind: number, changed = true): number[] =>
  varint(count * 16 + (changed ? 8 : 0) + kind);
const ping: Message = { type: 'PING', token: 1 };

const rows: readonly Row[] = [
  // Headers.
  ...(
    [
      ['a body longer than its type allows', 'ERR_FRAME_TOO_LARGE', { bodyBytes: 2 ** 31 }],
      ['a body shorter than its type has', 'ERR_FRAME_CORRUPT', { bodyBytes: 3 }],
      ['rawBytes without compression', 'ERR_FRAME_CORRUPT', { rawBytes: 5 }],
      ['a run table where there is none', 'ERR_FRAME_CORRUPT', { tableBytes: 1 }],
      ['an unknown flag', 'ERR_UNSUPPORTED', { flags: 2 }],
      ['message 0', 'ERR_UNEXPECTED_MESSAGE', { type: 0 }],
      ['an unknown message', 'ERR_UNEXPECTED_MESSAGE', { type: 23 }],
      ['a frame of another version', 'ERR_VERSION', { version: 2 }],
    ] as const
  ).map(([what, code, lies]) => ({
    what,
    code,
    after: 'accepted' as const,
    say: body('PING', [1, 0, 0, 0], lies),
  })),
  {
    what: 'a frame too many',
    code: 'ERR_UNEXPECTED_MESSAGE',
    after: 'accepted',
    say: (source) => source.say(ping, { seq: source.seq + 2 }),
  },
  {
    what: 'a frame of another attempt',
    code: 'ERR_UNEXPECTED_MESSAGE',
    after: 'accepted',
    say: (source) => source.say(ping, { attempt: 2 }),
  },
  // Who it is.
  {
    what: 'a channel that does not exist',
    code: 'ERR_UNSUPPORTED',
    after: 'connected',
    say: (source) => {
      const order = source.order();
      const bytes = encodeMessage(source.hello(), order).slice(headerBytes);
      bytes[24] = 1;
      source.write(forge('HELLO', bytes, order));
    },
  },
  // What it offers.
  {
    what: 'another page size',
    code: 'ERR_PAGE_SIZE',
    ...greeted,
    say: offer(() => ({ pageSize: 8192 })),
  },
  {
    what: 'an image larger than allowed',
    code: 'ERR_IMAGE_TOO_LARGE',
    ...greeted,
    say: offer(({ regions }) => ({
      regions: regions.map((region) => ({
        ...region,
        byteLength: 2 ** 40,
        maxByteLength: 2 ** 40,
      })),
    })),
  },
  {
    what: 'another kind of guest',
    code: 'ERR_INCOMPATIBLE',
    ...greeted,
    say: offer(() => ({ identity: { kind: 'buffer', version: '1', features: [] } })),
  },
  {
    what: 'two regions',
    code: 'ERR_INCOMPATIBLE',
    ...greeted,
    say: offer(({ regions }) => ({
      regions: [...regions, ...regions.map((r) => ({ ...r, id: 1 }))],
    })),
  },
  {
    what: 'a name that climbs out',
    code: 'ERR_OUT_OF_RANGE',
    ...greeted,
    say: named('../fake.img'),
  },
  { what: 'a name with a folder', code: 'ERR_OUT_OF_RANGE', ...greeted, say: named('a/fake.img') },
  { what: 'no name', code: 'ERR_OUT_OF_RANGE', ...greeted, say: named('') },
  { what: 'a name that is the folder', code: 'ERR_OUT_OF_RANGE', ...greeted, say: named('..') },
  {
    what: 'more regions than there are',
    code: 'ERR_FRAME_CORRUPT',
    after: 'greeted',
    say: offerWith(198, 2),
  },
  {
    what: 'more features than there are',
    code: 'ERR_FRAME_CORRUPT',
    after: 'greeted',
    say: offerWith(197, 60),
  },
  {
    what: 'a name longer than the frame',
    code: 'ERR_FRAME_CORRUPT',
    after: 'greeted',
    say: offerWith(216, 255),
  },
  {
    what: 'a name that is no UTF-8',
    code: 'ERR_FRAME_CORRUPT',
    after: 'greeted',
    say: offerWith(217, 0xff),
  },
  { what: 'a boolean of 2', code: 'ERR_FRAME_CORRUPT', after: 'greeted', say: offerWith(196, 2) },
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

function spoken(message: Message): string {
  return 'code' in message ? `${message.type} ${message.code}` : message.type;
}

describe('a receiver that waits for one image', () => {
  it(
    `survives ${rows.length} hostile sources, says of each what was wrong, and takes the next image`,
    inRoom(async (room) => {
      const receiver = await room.receive('--once', '--out-dir', room.inbox, '--max-image', '1G');
      const seen: { what: string; code: unknown; answers: string[] }[] = [];
      for (const { what, after, say } of rows) {
        const source = room.keep(await FakeSource.connect(receiver.port));
        const known = receiver.process.events.length;
        if (after === 'greeted') await source.greet();
        if (after === 'accepted') await source.begin();
        if (after === 'repairing') await source.beginRepair();
        say(source);
        const answers = (await source.hearAll()).filter(({ type }) => type !== 'ACK');
        const { code } = await dropped(
          receiver,
          (event) => receiver.process.events.indexOf(event) >= known,
        );
        seen.push({ what, code, answers: answers.map(spoken) });
        await room.expectEmptyInbox();
      }
      expect(seen).toEqual(
        rows.map(({ what, code, answer }) => ({
          what,
          code,
          answers: answer === undefined ? [] : [`${answer} ${code}`],
        })),
      );
      await room.expectStillReceives(receiver, await room.file('copy.img', 'a good one'));
    }),
    60_000,
  );
});
