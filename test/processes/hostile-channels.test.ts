import { describe, expect, it } from 'vitest';
import type { Hello, Message } from '../../src/protocol/index.js';
import { capability } from '../../src/protocol/version.js';
import { kinds } from '../reference/run-table.js';
import { FakeSource } from './fake-source.js';
import { run } from './hostile-says.js';
import { dropped, inRoom, type Receiver, type Room } from './room.js';

const noState: Message = { type: 'STATE', totalBytes: 0, offset: 0, bytes: new Uint8Array() };

/** Page channels that may be lost by themselves. */
const rerouting = capability.channels | capability.reroutes;

/** Page 0, filled with `byte`. */
function filled(byte: number): Message {
  const body = Uint8Array.of(0, ...run(1, kinds.fill), 0, ...Array<number>(8).fill(byte));
  return { type: 'PAGES', tableBytes: 3, rawBytes: body.length, body };
}

/** A receiver and a source that got to ACCEPT. */
async function accepted(
  room: Room,
  capabilities?: number,
): Promise<{ receiver: Receiver; source: FakeSource }> {
  const receiver = await room.receive('--once');
  const source = room.keep(await FakeSource.connect(receiver.port));
  await source.begin(capabilities);
  return { receiver, source };
}

/** What a page channel that says this HELLO is answered. */
async function answerTo(
  room: Room,
  { port }: Receiver,
  session: Uint8Array,
  hello: Partial<Hello>,
): Promise<Message | undefined> {
  const stranger = room.keep(await FakeSource.connect(port, session));
  const said = stranger.hello({ role: 'pages', channel: 1, ...hello });
  stranger.say(said, { attempt: said.attempt });
  const [answer] = await stranger.hearAll();
  return answer;
}

describe.concurrent('a page channel', () => {
  it(
    'is refused where it has no place, and the session goes on without it',
    inRoom(async (room) => {
      const receiver = await room.receive('--once');
      const source = room.keep(await FakeSource.connect(receiver.port));
      const { session } = source;
      const refused = { type: 'REJECT', code: 'ERR_UNEXPECTED_MESSAGE' };
      expect(await answerTo(room, receiver, session, {})).toMatchObject(refused);
      await source.greet();
      expect(await answerTo(room, receiver, session, {})).toMatchObject(refused);
      source.say(source.offer);
      await source.hearOf('ACCEPT');
      const pages = room.keep(await source.channel(receiver.port, 1));
      expect(await answerTo(room, receiver, session, {})).toMatchObject(refused);
      const other = { channel: 2, attempt: 2 };
      expect(await answerTo(room, receiver, session, other)).toMatchObject(refused);
      for (const channel of [8, 0xffff_ffff]) {
        expect(await answerTo(room, receiver, session, { channel })).toMatchObject({
          type: 'REJECT',
          code: 'ERR_OUT_OF_RANGE',
        });
      }
      source.say(noState);
      source.say(source.prepare(0));
      const { digest } = await source.hearOf('READY');
      expect(await answerTo(room, receiver, session, { channel: 2 })).toMatchObject(refused);
      pages.close();
      source.say({ type: 'COMMIT', digest });
      await source.hearOf('RUNNING');
      source.close();
      expect(await receiver.process.gone()).toMatchObject({ code: 0 });
    }),
  );

  it(
    'carries pages and nothing else',
    inRoom(async (room) => {
      for (const message of [noState, { type: 'ROUND_END', round: 1 } as const]) {
        const { receiver, source } = await accepted(room);
        const pages = room.keep(await source.channel(receiver.port, 1));
        pages.say(message);
        expect(await source.hearOf('FAILED')).toMatchObject({ code: 'ERR_UNEXPECTED_MESSAGE' });
        expect(await pages.hearAll()).toEqual([]);
        expect(await dropped(receiver)).toMatchObject({ code: 'ERR_UNEXPECTED_MESSAGE' });
        await room.expectEmptyInbox();
      }
    }),
  );

  it(
    'is named in PREPARE, and so is none that is not there',
    inRoom(async (room) => {
      for (const pages of [[], [0, 0]]) {
        const { receiver, source } = await accepted(room);
        room.keep(await source.channel(receiver.port, 1));
        source.say(noState);
        source.say(source.prepare(...pages));
        expect(await source.hearOf('FAILED')).toMatchObject({ code: 'ERR_UNEXPECTED_MESSAGE' });
      }
    }),
  );

  it(
    'is waited for as far as PREPARE counts',
    inRoom(async (room) => {
      const { receiver, source } = await accepted(room);
      const pages = room.keep(await source.channel(receiver.port, 1));
      source.say(noState);
      source.say(source.prepare(pages.seq + 1));
      pages.say(filled(0));
      await source.hearOf('READY');
    }),
  );

  it(
    'is not heard beyond what PREPARE counts',
    inRoom(async (room) => {
      const { receiver, source } = await accepted(room);
      const [short, long] = [
        room.keep(await source.channel(receiver.port, 1)),
        room.keep(await source.channel(receiver.port, 2)),
      ];
      source.say(noState);
      // The second never gets as far: there is no READY to be had before the first says too much.
      source.say(source.prepare(1, 1_000_000));
      long.say(filled(0));
      const { session } = source;
      const text = expect.stringContaining('gathering');
      expect(await answerTo(room, receiver, session, { channel: 3 })).toMatchObject({ text });
      short.say(filled(0));
      expect(await source.hearOf('FAILED')).toMatchObject({ code: 'ERR_UNEXPECTED_MESSAGE' });
    }),
  );

  it(
    'that says more after READY breaks no promise',
    inRoom(async (room) => {
      const { receiver, source } = await accepted(room);
      const pages = room.keep(await source.channel(receiver.port, 1));
      source.say(noState);
      source.say(source.prepare(0));
      const { digest } = await source.hearOf('READY');
      pages.say(filled(9));
      await source.hearAll();
      const asking = room.keep(await FakeSource.connect(receiver.port, source.session));
      asking.say(asking.hello({ role: 'ask', attempt: 2 }), { attempt: 2 });
      expect(await asking.hearOf('HELLO_ACK')).toMatchObject({ standing: 'ready' });
      asking.say({ type: 'COMMIT', digest }, { attempt: 2 });
      await asking.hearOf('RUNNING');
    }),
  );

  it(
    'cannot bring about another memory than was promised, if it says a page that another says too',
    inRoom(async (room) => {
      const { receiver, source } = await accepted(room);
      const pages = room.keep(await source.channel(receiver.port, 1));
      pages.say(filled(0));
      const { seq } = pages;
      await pages.hearOf('ACK');
      source.say(filled(5));
      await source.hearOf('ACK');
      source.say(noState);
      // The digest of what channel 1 said, where channel 0 was heard last.
      source.say(source.prepare(seq));
      await source.hearOf('HASHES');
      source.say(source.prepare(seq));
      expect(await source.hearOf('FAILED')).toMatchObject({ code: 'ERR_DIGEST' });
      await dropped(receiver);
      await room.expectEmptyInbox();
    }),
  );

  it(
    'that is lost ends the session as a cut does, and one that says nothing is lost',
    inRoom(async (room) => {
      const { receiver, source } = await accepted(room);
      const pages = room.keep(await source.channel(receiver.port, 1));
      pages.close();
      expect(await dropped(receiver)).toMatchObject({ code: 'ERR_SOURCE_LOST' });
      await source.hearAll();
      const second = await accepted(room);
      room.keep(await second.source.channel(second.receiver.port, 1)).sleep();
      expect(await dropped(second.receiver)).toMatchObject({ code: 'ERR_SOURCE_LOST' });
      await room.expectEmptyInbox();
    }),
    20_000,
  );
});

describe.concurrent('a page channel that its source gives up', () => {
  const refused = { code: 'ERR_UNEXPECTED_MESSAGE' };

  it(
    'is confirmed as far as it was applied, and its number goes to its successor only',
    inRoom(async (room) => {
      const { receiver, source } = await accepted(room, rerouting);
      const pages = room.keep(await source.channel(receiver.port, 1));
      pages.say(filled(3));
      const { seq } = pages;
      await pages.hearOf('ACK');
      source.say({ type: 'CHANNEL_CLOSE', channel: 1 });
      const closed = { type: 'CHANNEL_CLOSED', channel: 1, lastAppliedSeq: seq };
      expect(await source.hearOf('CHANNEL_CLOSED')).toEqual(closed);
      await pages.hearAll();
      const { session } = source;
      for (const channel of [1, 33]) {
        const answer = await answerTo(room, receiver, session, { channel });
        expect(answer).toMatchObject({ type: 'REJECT', ...refused });
      }
      // One that was never heard of takes its number along.
      source.say({ type: 'CHANNEL_CLOSE', channel: 17 });
      expect(await source.hearOf('CHANNEL_CLOSED')).toMatchObject({ lastAppliedSeq: 0 });
      expect(await answerTo(room, receiver, session, { channel: 17 })).toMatchObject(refused);
      const third = room.keep(await source.channel(receiver.port, 33));
      third.say(filled(0));
      await third.hearOf('ACK');
      source.say(noState);
      source.say(source.prepare(third.seq));
      await source.hearOf('READY');
    }),
  );

  it(
    'that is not there, is given up twice, or cannot be, ends the session',
    inRoom(async (room) => {
      for (const [capabilities, ids] of [
        [capability.channels, [1]],
        [rerouting, [2 + 16]],
        [rerouting, [1, 1]],
        [rerouting, [1, 33]],
      ] as const) {
        const { receiver, source } = await accepted(room, capabilities);
        room.keep(await source.channel(receiver.port, 1));
        for (const channel of ids) source.say({ type: 'CHANNEL_CLOSE', channel });
        expect(await source.hearOf('FAILED')).toMatchObject(refused);
        await dropped(receiver);
      }
    }),
  );

  it(
    'counts for nothing in PREPARE',
    inRoom(async (room) => {
      for (const count of [2, 0]) {
        const { receiver, source } = await accepted(room, rerouting);
        const pages = room.keep(await source.channel(receiver.port, 1));
        pages.say(filled(0));
        await pages.hearOf('ACK');
        source.say({ type: 'CHANNEL_CLOSE', channel: 1 });
        await source.hearOf('CHANNEL_CLOSED');
        source.say(noState);
        source.say(source.prepare(count));
        if (count === 0) {
          await source.hearOf('READY');
          continue;
        }
        expect(await source.hearOf('FAILED')).toMatchObject(refused);
        await dropped(receiver);
      }
    }),
  );

  it(
    'voids the PREPARE that counts on it',
    inRoom(async (room) => {
      const { receiver, source } = await accepted(room, rerouting);
      const pages = room.keep(await source.channel(receiver.port, 1));
      source.say(noState);
      source.say(source.prepare(pages.seq + 1));
      // Lost by itself: its source says when.
      pages.close();
      source.say({ type: 'CHANNEL_CLOSE', channel: 1 });
      expect(await source.hearOf('CHANNEL_CLOSED')).toMatchObject({ lastAppliedSeq: 0 });
      source.say(noState);
      source.say(source.prepare(0));
      await source.hearOf('READY');
    }),
  );
});
