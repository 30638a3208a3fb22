import { promises as fs } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Random } from '../reference/random.js';
import type { PageferryProcess } from './command.js';
import { inRoom, type Room } from './room.js';

/** An image with pages on every one of three channels. */
function image(room: Room): Promise<string> {
  return room.file('from.img', new Random(11).bytes(9_000_000));
}

/** The addresses a receiver says it listens at. */
async function addressesOf(receiver: PageferryProcess, count: number): Promise<string[]> {
  const addresses: string[] = [];
  while (addresses.length < count) {
    const known = new Set(addresses);
    const { host, port } = await receiver.event(
      'listening',
      (event) => !known.has(`${event['host']}:${event['port']}`),
    );
    addresses.push(`${host}:${port}`);
  }
  return addresses;
}

describe.concurrent('a file over several connections', () => {
  it(
    'arrives whole, over as many as asked for and places that are listened at, and its recordings replay',
    inRoom(async (room) => {
      const from = await image(room);
      const places = '127.0.0.1:0,127.0.0.1:0';
      const receiver = room.run([
        ...['receive', '--listen', places, '--out', room.out, '--once'],
        ...['--record', room.path('to.rec')],
      ]);
      const addresses = await addressesOf(receiver, 2);
      expect(new Set(addresses).size).toBe(2);
      const sent = room.run([
        ...['send', from, addresses.join(','), '--connections', '3'],
        ...['--record', room.path('from.rec')],
      ]);
      expect(await sent.gone()).toMatchObject({
        code: 0,
        last: { type: 'completed', verified: 'memory' },
      });
      expect(await receiver.gone()).toMatchObject({ code: 0, last: { type: 'completed' } });
      await room.expectReceived(from);
      for (const recording of ['from.rec', 'to.rec']) {
        const inspected = await room.run(['inspect', room.path(recording)]).gone();
        expect(inspected).toMatchObject({ code: 0, last: { connections: 3 } });
        expect(await room.run(['replay', room.path(recording)]).gone()).toMatchObject({ code: 0 });
      }
    }),
    60_000,
  );

  it(
    'is refused with a code where the receiver takes fewer, and nothing of it stays',
    inRoom(async (room) => {
      const from = await image(room);
      const receiver = await room.receive('--out-dir', room.inbox);
      const sent = room.send(from, receiver.port, '--connections', '16');
      expect(await sent.gone()).toMatchObject({ code: 3, last: { code: 'ERR_OUT_OF_RANGE' } });
      await receiver.process.event('dropped', (event) => event['session'] !== undefined);
      await room.expectEmptyInbox();
      const fewer = room.send(from, receiver.port, '--connections', '8');
      expect(await fewer.gone()).toMatchObject({ code: 0 });
      const arrived = await fs.readFile(room.path('inbox/from.img'));
      expect(arrived.equals(await fs.readFile(from))).toBe(true);
    }),
    60_000,
  );

  it(
    'is not sent over none, or more than there can be',
    inRoom(async (room) => {
      const from = await room.file('from.img', 'a');
      for (const count of ['0', '17', 'x']) {
        expect(await room.send(from, 4711, '--connections', count).gone()).toMatchObject({
          code: 2,
        });
      }
    }),
  );
});
