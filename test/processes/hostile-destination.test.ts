import { describe, expect, it } from 'vitest';
import type { Message, MessageName } from '../../src/protocol/index.js';
import { record } from '../evidence/record.js';
import { examples } from '../reference/examples.js';
import { type FakeDestination, listenAs } from './fake-destination.js';
import { forge } from './forge.js';
import { inRoom } from './room.js';
import { LiveWriter } from './writer.js';

interface State {
  readonly state: string;
  readonly enter: (peer: FakeDestination) => Promise<unknown>;
  readonly takes: readonly MessageName[];
}

/** Known in any state, where they end it or mean nothing. */
const always: readonly MessageName[] = ['PING', 'PONG', 'ACK', 'ABORT', 'FAILED'];
const states: readonly State[] = [
  {
    state: 'greeting',
    enter: (peer) => peer.hearOf('HELLO'),
    takes: ['HELLO_ACK', 'REJECT'],
  },
  { state: 'offering', enter: (peer) => peer.meet(), takes: ['ACCEPT', 'REJECT'] },
  { state: 'sending pages', enter: (peer) => peer.accept(), takes: ['HASHES', 'REJECT'] },
  { state: 'waiting for READY', enter: (peer) => peer.takeAll(), takes: ['READY', 'HASHES'] },
];
const names = Object.keys(examples).filter((name): name is MessageName => name in examples);

/** A pause so long that a busy machine does not give it back. */
const live = ['--live', '--max-downtime', '8000', '--pause-pid'] as const;

interface Row {
  readonly what: string;
  readonly code: string;
  readonly exit?: number;
  readonly script: (peer: FakeDestination) => Promise<unknown>;
}

const rows: readonly Row[] = [
  {
    what: 'a refusal',
    code: 'ERR_NO_CAPACITY',
    exit: 3,
    script: async (peer) => {
      await peer.meet();
      peer.say({ type: 'REJECT', code: 'ERR_NO_CAPACITY', text: 'full\r\n\u001b[2J' });
    },
  },
  {
    what: 'an ACCEPT of regions nobody offered',
    code: 'ERR_UNEXPECTED_MESSAGE',
    script: async (peer) => {
      await peer.meet();
      peer.say({ type: 'ACCEPT', bases: ['zero', 'zero'] });
    },
  },
  {
    what: 'an ACCEPT whose count lies',
    code: 'ERR_FRAME_CORRUPT',
    script: async (peer) => {
      await peer.meet();
      peer.write(forge('ACCEPT', Uint8Array.of(2, 0, 1), peer.order()));
    },
  },
  {
    what: 'a region called held, which was not agreed on',
    code: 'ERR_UNEXPECTED_MESSAGE',
    script: async (peer) => {
      await peer.meet();
      peer.say({ type: 'ACCEPT', bases: ['held'] });
    },
  },
  {
    what: 'hashes whose count lies',
    code: 'ERR_FRAME_CORRUPT',
    script: async (peer) => {
      await peer.accept();
      peer.write(forge('HASHES', Uint8Array.of(0, 0, 0, 0, 2, 1, 1, 0), peer.order()));
    },
  },
  {
    what: 'the hash of a page that does not exist',
    code: 'ERR_OUT_OF_RANGE',
    script: async (peer) => {
      await peer.takeAll();
      peer.say({ ...examples.HASHES, entries: [{ index: 5000, hash: 1n }] });
    },
  },
  {
    what: 'the hash of a leaf that does not exist',
    code: 'ERR_OUT_OF_RANGE',
    script: async (peer) => {
      await peer.takeAll();
      peer.say({ ...examples.HASHES, level: 'leaf', entries: [{ index: 5000, hash: 1n }] });
    },
  },
  {
    what: 'hashes of a region that does not exist',
    code: 'ERR_OUT_OF_RANGE',
    script: async (peer) => {
      await peer.takeAll();
      peer.say({ ...examples.HASHES, region: 9 });
    },
  },
  {
    what: 'a memory that stays different',
    code: 'ERR_DIGEST',
    script: async (peer) => {
      await peer.takeAll();
      peer.say({ ...examples.HASHES, level: 'leaf', entries: [{ index: 0, hash: 1n }] });
      await peer.hearOf('HASHES_REQUEST');
      peer.say({ ...examples.HASHES, entries: [{ index: 0, hash: 1n }] });
      await peer.hearPrepare();
      peer.say({ ...examples.HASHES, level: 'leaf', entries: [{ index: 0, hash: 1n }] });
    },
  },
  {
    what: 'READY for something else',
    code: 'ERR_UNEXPECTED_MESSAGE',
    script: async (peer) => {
      await peer.takeAll();
      peer.say({ type: 'READY', digest: new Uint8Array(32) });
    },
  },
  {
    what: 'a failure at the end',
    code: 'ERR_DISK_FULL',
    script: async (peer) => {
      await peer.takeAll();
      peer.say({ type: 'FAILED', code: 'ERR_DISK_FULL', text: 'no room' });
    },
  },
  {
    what: 'a start that failed',
    code: 'ERR_START_FAILED',
    script: async (peer) => {
      await peer.makeReady();
      peer.say({ type: 'START_FAILED', code: 'ERR_IO', text: 'gone' });
    },
  },
  {
    what: 'RUNNING with another digest, and then nobody to ask',
    code: 'ERR_OUTCOME_UNKNOWN',
    script: async (peer) => {
      await peer.makeReady();
      peer.say({ ...examples.RUNNING, digest: new Uint8Array(32) });
    },
  },
  {
    what: 'silence in the middle of pages',
    code: 'ERR_PEER_TIMEOUT',
    script: async (peer) => {
      await peer.accept();
      peer.sleep();
    },
  },
];

describe.concurrent('a source', () => {
  it.for(rows)(
    'ends with $code after $what, and its writer runs on',
    ({ code, exit, script }, { task }) =>
      inRoom(async (room) => {
        record(task, { what: 'hostile destinations', counts: { forgedConversations: 1 } });
        const server = room.keep(await listenAs(script));
        const file = await room.file('image', new Uint8Array(100_000));
        const writer = room.keep(await LiveWriter.start(file, { perSecond: 50 }));
        const sending = room.send(file, server.port, ...live, `${writer.pid}`);
        const sent = await sending.gone();
        expect(sent).toMatchObject({ code: exit ?? 1, last: { type: 'failed', code } });
        expect(sent.stderr).not.toContain('\u001b');
        await writer.expectRunsOn();
      })(),
  );

  it.for(states)('refuses what has no place while it is $state', ({ enter, takes }, { task }) =>
    inRoom(async (room) => {
      const wrong = names.filter((name) => !takes.includes(name) && !always.includes(name));
      const counts = { forgedConversations: wrong.length };
      record(task, { what: 'messages that have no place at a source', counts });
      const file = await room.file('image', new Uint8Array(100_000));
      const heard = await Promise.all(
        wrong.map(async (name) => {
          const message: Message = examples[name];
          const server = room.keep(
            await listenAs(async (peer) => {
              await enter(peer);
              peer.say(message);
            }),
          );
          const { code, last } = await room.send(file, server.port).ended();
          return { name, code, error: last?.['code'] };
        }),
      );
      expect(heard).toEqual(
        wrong.map((name) => ({ name, code: 1, error: 'ERR_UNEXPECTED_MESSAGE' })),
      );
    })(),
  );
});
