import { describe, expect, it } from 'vitest';
import { encodeMessage, type Message, type MessageName } from '../../src/protocol/index.js';
import { helloAreaBytes } from '../../src/protocol/limits.js';
import { examples } from '../reference/examples.js';
import { FakeSource } from './fake-source.js';
import { dropped, inRoom } from './room.js';

const names = Object.keys(examples).filter((name): name is MessageName => name in examples);
/** Answered in any state behind HELLO, or ignored. */
const always: readonly MessageName[] = ['PING', 'PONG'];

interface State {
  readonly state: string;
  readonly enter: (source: FakeSource) => Promise<void>;
  readonly takes: readonly MessageName[];
}

const states: readonly State[] = [
  { state: 'connected', enter: async () => {}, takes: ['HELLO'] },
  {
    state: 'awaiting the offer',
    enter: (source) => source.greet(),
    // LEAD is for those with owner records.
    takes: ['OFFER', 'LEAD', 'ABORT', ...always],
  },
  {
    state: 'receiving',
    enter: (source) => source.begin(),
    takes: ['PAGES', 'REGION', 'STATE', 'ROUND_END', 'PREPARE', 'ABORT', ...always],
  },
  {
    state: 'repairing',
    enter: (source) => source.beginRepair(),
    takes: ['HASHES_REQUEST', 'PAGES', 'PREPARE', 'ABORT', ...always],
  },
];

function wrongIn(takes: readonly MessageName[]): Message[] {
  return names.filter((name) => !takes.includes(name)).map((name) => examples[name]);
}

/** A stranger's receive area holds HELLO, and nothing larger. */
function codeOfFirst(message: Message): string {
  const { byteLength } = encodeMessage(message, { seq: 1, round: 0, attempt: 1 });
  return byteLength > helloAreaBytes ? 'ERR_FRAME_TOO_LARGE' : 'ERR_UNEXPECTED_MESSAGE';
}

describe.concurrent('a receiver', () => {
  it.each(states)('refuses what has no place while it is $state', ({ state, enter, takes }) =>
    inRoom(async (room) => {
      const receiver = await room.receive('--once');
      for (const message of wrongIn(takes)) {
        const source = room.keep(await FakeSource.connect(receiver.port));
        const known = receiver.process.events.length;
        await enter(source);
        source.say(message);
        const code = state === 'connected' ? codeOfFirst(message) : 'ERR_UNEXPECTED_MESSAGE';
        for (const answer of await source.hearAll()) {
          if ('code' in answer) expect(answer.code, message.type).toBe(code);
        }
        const told = await dropped(
          receiver,
          (event) => receiver.process.events.indexOf(event) >= known,
        );
        expect(told, message.type).toMatchObject({ code });
        await room.expectEmptyInbox();
      }
      await room.expectStillReceives(receiver);
    })(),
  );

  it(
    'keeps what it promised with READY whatever nonsense follows, and starts on COMMIT',
    inRoom(async (room) => {
      const receiver = await room.receive('--out-dir', room.inbox);
      for (const [at, message] of wrongIn(['COMMIT', 'ABORT', ...always]).entries()) {
        const source = room.keep(await FakeSource.connect(receiver.port, undefined, `${at}`));
        await source.makeReady();
        const digest = source.digest(source.seq - 1);
        source.say(message);
        await source.hearAll();
        const again = room.keep(await FakeSource.connect(receiver.port, source.session));
        again.say(again.hello({ attempt: 2, role: 'ask' }), { attempt: 2 });
        expect(await again.hear(), message.type).toMatchObject({ standing: 'ready' });
        again.say({ type: 'COMMIT', digest }, { attempt: 2 });
        expect(await again.hear(), message.type).toMatchObject({ type: 'RUNNING', digest });
        await receiver.process.event('received', ({ session }) => session === source.sessionName);
      }
      expect(receiver.process.events.filter(({ type }) => type === 'dropped')).toEqual([]);
    }),
  );

  it(
    'does not start on COMMIT with another digest',
    inRoom(async (room) => {
      const receiver = await room.receive('--once');
      const source = room.keep(await FakeSource.connect(receiver.port));
      await source.makeReady();
      source.say({ type: 'COMMIT', digest: new Uint8Array(32) });
      await source.hearAll();
      // Nobody comes back to call in the promise.
      expect(await dropped(receiver)).toMatchObject({ code: 'ERR_SOURCE_LOST' });
      await room.expectEmptyInbox();
      await room.expectStillReceives(receiver);
    }),
  );

  it(
    'takes a source back on a newer attempt only, and then nothing more from the older connection',
    inRoom(async (room) => {
      const receiver = await room.receive('--once');
      const source = room.keep(await FakeSource.connect(receiver.port));
      await source.begin();
      const same = room.keep(await FakeSource.connect(receiver.port, source.session));
      same.say(same.hello({ attempt: 1 }), { attempt: 1 });
      expect(await same.hear()).toBeUndefined();
      await dropped(receiver, (event) => event['code'] === 'ERR_UNEXPECTED_MESSAGE');
      const newer = room.keep(await FakeSource.connect(receiver.port, source.session));
      newer.say(newer.hello({ attempt: 2 }), { attempt: 2 });
      expect(await newer.hear()).toMatchObject({ type: 'HELLO_ACK', standing: 'receiving' });
      await source.hearAll();
      newer.say(
        { type: 'ABORT', scope: 'session', code: 'ERR_ABORTED', text: 'enough' },
        { attempt: 2 },
      );
      await newer.hearOf('ABORTED');
      await room.expectStillReceives(receiver);
    }),
  );
});
