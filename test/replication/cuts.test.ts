import { connect, createServer, type Server, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { bufferGuest } from '../../src/guests/buffer.js';
import { systemClock } from '../../src/migration/clock.js';
import { doorLimits } from '../../src/migration/door-limits.js';
import { FollowerSession } from '../../src/replication/follower-session.js';
import { SharedTracker } from '../../src/replication/shared-tracker.js';
import { StandbySession } from '../../src/replication/standby-session.js';
import { type Channel, connectTcp, Doorkeeper, listenTcp } from '../../src/transport/index.js';

/** Each cut has a socket and a copy of its own: all of them are tried at night. */
const stride = process.env['PAGEFERRY_NIGHTLY'] === '1' ? 1 : 97;
const pageBytes = 4096;
const pages = 12;
const epochs = 4;

/** Memory and state of epoch `number`: each page says which it is, so that two mixed are seen. */
function fill(memory: Uint8Array, number: number): void {
  const view = new DataView(memory.buffer);
  for (let page = 0; page < pages; page += 1) {
    if (page % epochs === number % epochs || page === 0) {
      view.setUint32(page * pageBytes + 8 * number, number);
    }
  }
}

/** What the memory is after so many epochs. */
function imageOf(number: number): Uint8Array {
  const memory = new Uint8Array(pages * pageBytes);
  for (let epoch = 1; epoch <= number; epoch += 1) fill(memory, epoch);
  return memory;
}

async function listen(onChannel: (channel: Channel) => void): Promise<number> {
  const server = await listenTcp({
    ...{ host: '127.0.0.1', port: 0, areaBytes: 128 * 1024, onChannel },
    door: new Doorkeeper(doorLimits(64, 1)),
  });
  onTestFinished(() => server.close());
  return server.port;
}

/** A standby for one connection. */
class Copy {
  readonly memory = new Uint8Array(pages * pageBytes);
  state = '';
  acknowledged = 0;
  readonly session: StandbySession;
  readonly lost: Promise<void>;

  constructor(channel: Channel) {
    const guest = bufferGuest(this.memory, {
      fresh: true,
      saveState: () => new Uint8Array(),
      loadState: (state) => {
        this.state = Buffer.from(state).toString();
      },
    });
    let end = (): void => {};
    this.lost = new Promise((resolve) => {
      end = resolve;
    });
    this.session = new StandbySession(channel, {
      ...{ name: 'g', member: 'b', promiseMs: 0, mayClaim: true },
      ...{ maxImageBytes: 2 ** 20, maxStateBytes: 2 ** 20, maxEpochBytes: 2 ** 20 },
      accept: () => guest,
      admit: async () => {},
      arrived: ({ number }) => {
        this.acknowledged = number;
        return true;
      },
      lost: () => end(),
    });
  }
}

/** All that a primary says in some epochs, and where in it each of them ended. */
async function record(): Promise<{ readonly bytes: Buffer; readonly ends: readonly number[] }> {
  const port = await listen((channel) => void new Copy(channel));
  const said: Buffer[] = [];
  const between = await relay(port, said);
  const memory = new Uint8Array(pages * pageBytes);
  const guest = bufferGuest(memory, {
    tracker: 'marks',
    saveState: () => new Uint8Array(),
    loadState: () => {},
  });
  let heard = (): void => {};
  const session = new FollowerSession(await connectTcp({ host: '127.0.0.1', port: between }), {
    ...{ guest, tracker: new SharedTracker(guest.tracker).view(), name: 'g', member: 'a' },
    ...{ token: 1n, maxEpochBytes: 2 ** 20, cpuShare: 1 },
    acknowledged: () => heard(),
    lost: () => {},
  });
  await session.greet();
  await session.join();
  const ends: number[] = [];
  for (let number = 1; number <= epochs; number += 1) {
    fill(memory, number);
    guest.markDirty(0, memory.length);
    const acknowledged = new Promise<void>((resolve) => {
      heard = resolve;
    });
    session.send(await session.capture(), Buffer.from(`state ${number}`), number, () => {});
    await acknowledged;
    ends.push(said.reduce((sum, { length }) => sum + length, 0));
  }
  await session.close();
  return { bytes: Buffer.concat(said), ends };
}

/** Passes on to `port` what comes, and keeps it. */
async function relay(port: number, said: Buffer[]): Promise<number> {
  const server: Server = createServer((one: Socket) => {
    const other = connect({ host: '127.0.0.1', port });
    one.on('data', (bytes) => {
      said.push(Buffer.from(bytes));
      other.write(bytes);
    });
    other.on('data', (bytes) => one.write(bytes));
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      from.on('error', () => {});
      from.on('close', () => to.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('a standby whose primary dies', () => {
  it('at whatever byte, has one epoch or the next, whole, and never less than it acknowledged', async () => {
    const { bytes, ends } = await record();
    let arrived: (copy: Copy) => void = () => {};
    const port = await listen((channel) => arrived(new Copy(channel)));
    const seen = new Set<number>();
    // The last byte of each epoch is where it is decided: those, and the ones before, are among the samples.
    const cuts = new Set(ends.flatMap((end) => [end - 1, end]));
    for (let cut = 1; cut < bytes.length; cut += stride) cuts.add(cut);
    for (const cut of [...cuts].sort((a, b) => a - b)) {
      const coming = new Promise<Copy>((resolve) => {
        arrived = resolve;
      });
      const socket = connect({ host: '127.0.0.1', port });
      socket.on('error', () => {});
      socket.resume();
      socket.end(bytes.subarray(0, cut));
      const copy = await coming;
      await copy.lost;
      await copy.session.end();
      const sent = ends.filter((end) => end <= cut).length;
      expect(copy.acknowledged).toBe(sent);
      if (!copy.session.isWhole) {
        expect(sent).toBe(0);
        continue;
      }
      await copy.session.promote();
      expect(copy.state).toBe(`state ${sent}`);
      expect(Buffer.compare(copy.memory, imageOf(sent))).toBe(0);
      seen.add(sent);
      socket.destroy();
      await systemClock.turn();
    }
    expect([...seen]).toEqual([1, 2, 3, 4]);
  }, 900_000);
});
