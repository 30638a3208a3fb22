import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { FerryError } from '../../src/errors.js';
import { Doorkeeper, type DoorLimits, type Visit } from '../../src/transport/doorkeeper.js';
import { networkOf } from '../../src/transport/network.js';
import { serve } from '../../src/transport/serve.js';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

interface Door {
  /** Connects from an address; its visit, once it was admitted. */
  readonly knock: (from: string) => Promise<{ visit: Visit; socket: Socket }>;
  /** Who had to go, in order. */
  readonly dismissed: string[];
  readonly keeper: Doorkeeper;
}

async function door(limits: Partial<DoorLimits>): Promise<Door> {
  const keeper = new Doorkeeper({ strangers: 9, strangersPerAddress: 9, members: 9, ...limits });
  const dismissed: string[] = [];
  let admitted: (visit: Visit) => void = () => {};
  const listener = await serve({ host: '127.0.0.1', port: 0, door: keeper }, (socket, visit) => {
    visit.follow(socket);
    const { onDismissed } = visit;
    visit.onDismissed = (reason) => {
      dismissed.push(`${visit.from} ${reason.code}`);
      onDismissed(reason);
    };
    socket.on('error', () => {}).resume();
    admitted(visit);
  });
  closing.push(() => listener.close());
  return {
    keeper,
    dismissed,
    async knock(from) {
      const socket = connect({ port: listener.port, host: '127.0.0.1', localAddress: from });
      closing.push(() => socket.destroy());
      socket.on('error', () => {}).resume();
      const visit = await new Promise<Visit>((resolve) => {
        admitted = resolve;
      });
      return { visit, socket };
    },
  };
}

/** Until `socket` has closed, and its other end was told. */
async function gone(socket: Socket): Promise<void> {
  if (!socket.destroyed) await new Promise((resolve) => socket.once('close', resolve));
  await new Promise((resolve) => setTimeout(resolve, 20));
}

describe('a doorkeeper', () => {
  it('lets the oldest of an address go when too many of that address say nothing', async () => {
    const { knock, dismissed } = await door({ strangersPerAddress: 2 });
    const first = await knock('127.0.0.2');
    await knock('127.0.0.3');
    await knock('127.0.0.2');
    expect(dismissed).toEqual([]);
    await knock('127.0.0.2');
    expect(dismissed).toEqual([`${first.visit.from} ERR_BUSY`]);
    await gone(first.socket);
  });

  it('lets the oldest of the address with most go when all are too many', async () => {
    const { knock, dismissed } = await door({ strangers: 4 });
    await knock('127.0.0.9');
    const crowd = [await knock('127.0.0.2'), await knock('127.0.0.2'), await knock('127.0.0.2')];
    await knock('127.0.0.3');
    await knock('127.0.0.4');
    expect(dismissed).toEqual(crowd.slice(0, 2).map(({ visit }) => `${visit.from} ERR_BUSY`));
  });

  it('lets nobody go who joined a session, however many come', async () => {
    const { knock, dismissed } = await door({ strangers: 1, strangersPerAddress: 1 });
    const member = await knock('127.0.0.2');
    member.visit.join();
    for (let at = 0; at < 5; at++) await knock('127.0.0.2');
    expect(dismissed).toHaveLength(4);
    expect(dismissed).not.toContain(`${member.visit.from} ERR_BUSY`);
  });

  it('has so many places for members, free again when one leaves', async () => {
    const { knock } = await door({ members: 1 });
    const first = await knock('127.0.0.2');
    first.visit.join();
    first.visit.join();
    const { visit: second } = await knock('127.0.0.2');
    expect(() => second.join()).toThrow(expect.objectContaining({ code: 'ERR_BUSY' }));
    first.socket.destroy();
    await gone(first.socket);
    second.join();
  });

  it('counts a stranger no more that left', async () => {
    const { knock, dismissed } = await door({ strangers: 1 });
    const first = await knock('127.0.0.2');
    first.socket.destroy();
    await gone(first.socket);
    await knock('127.0.0.3');
    expect(dismissed).toEqual([]);
  });

  it('sends strangers away when it closes, members not', async () => {
    const { knock, dismissed, keeper } = await door({});
    const { visit } = await knock('127.0.0.2');
    (await knock('127.0.0.2')).visit.join();
    keeper.close(new FerryError('ERR_ABORTED', 'closed'));
    expect(dismissed).toEqual([`${visit.from} ERR_ABORTED`]);
  });
});

describe('an address', () => {
  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
    ['::FFFF:10.1.2.3', '10.1.2.3'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8::6', '2001:db8:0:0::/64'],
    ['2001:db8:1::', '2001:db8:1:0::/64'],
    ['64:ff9b::10.1.2.3', '64:ff9b:0:0::/64'],
    ['', ''],
  ])('%s counts as %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });

  it('of IPv6 counts by its first half, however it is written', () => {
    const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
    fc.assert(
      fc.property(
        fc.array(group, { minLength: 8, maxLength: 8 }),
        fc.nat(8),
        fc.nat(8),
        (groups, a, b) => {
          const texts = groups.map((one) => one.toString(16));
          const [from, to] = a < b ? [a, b] : [b, a];
          const zeros = groups.slice(from, to);
          const short =
            zeros.length > 1 && zeros.every((one) => one === 0)
              ? `${texts.slice(0, from).join(':')}::${texts.slice(to).join(':')}`
              : texts.join(':');
          fc.pre(!short.toLowerCase().startsWith('::ffff:'));
          expect(networkOf(short)).toBe(`${texts.slice(0, 4).join(':')}::/64`);
        },
      ),
    );
  });
});
