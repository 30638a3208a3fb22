import { encodeMessage, headerBytes, type Message } from '../../src/protocol/index.js';
import { forge } from './forge.js';
import { body, greeted, type HostileRow, named, offer, offerWith } from './hostile-says.js';

const ping: Message = { type: 'PING', token: 1 };

/** Headers that lie, and offers that are not taken. */
export const hostileOpenings: readonly HostileRow[] = [
  // Headers.
  ...(
    [
      ['a body longer than its type allows', 'ERR_FRAME_TOO_LARGE', { bodyBytes: 2 ** 31 }],
      ['a body shorter than its type has', 'ERR_FRAME_CORRUPT', { bodyBytes: 3 }],
      ['rawBytes without compression', 'ERR_FRAME_CORRUPT', { rawBytes: 5 }],
      ['a run table where there is none', 'ERR_FRAME_CORRUPT', { tableBytes: 1 }],
      ['an unknown flag', 'ERR_UNSUPPORTED', { flags: 4 }],
      ['a compressed PING', 'ERR_FRAME_CORRUPT', { flags: 2, rawBytes: 5 }],
      ['message 0', 'ERR_UNEXPECTED_MESSAGE', { type: 0 }],
      ['an unknown message', 'ERR_UNEXPECTED_MESSAGE', { type: 99 }],
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
];
