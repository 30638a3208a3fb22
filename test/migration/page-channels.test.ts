import { describe, expect, it } from 'vitest';
import type { FerryError } from '../../src/errors.js';
import { Link } from '../../src/migration/link.js';
import { PageChannels } from '../../src/migration/page-channels.js';
import { SourceConnections } from '../../src/migration/source-connections.js';
import type { Message } from '../../src/protocol/messages.js';
import { capability } from '../../src/protocol/version.js';
import { memoryPair } from '../../src/transport/memory-pair.js';
import { VirtualClock } from '../simulation/virtual-clock.js';

const helloAck: Message = {
  type: 'HELLO_ACK',
  version: 1,
  standing: 'receiving',
  capabilities: 0,
  lastAppliedSeq: 0,
};
const ack: Message = { type: 'ACK', seq: 1, appliedBytes: 0, rereadPages: 0 };

/** A source of three connections whose destination answers a page channel's HELLO with `answers`. */
async function open(
  capabilities: number,
  answers: readonly Message[],
  connect?: (nth: number) => void,
): Promise<{
  lost: string[];
  refused: string[];
  connections: number[];
  given: number[];
  channels: PageChannels;
}> {
  const clock = new VirtualClock();
  const schedule = (task: () => void) => void clock.after(1, task);
  const lost: string[] = [];
  const refused: string[] = [];
  const given: number[] = [];
  const connections: number[] = [];
  const links = new SourceConnections({
    session: new Uint8Array(16),
    capabilities,
    clock,
    connect: async (nth) => {
      connections.push(nth);
      connect?.(nth);
      const { a, b } = memoryPair({ schedule });
      const peer: Link = new Link(b, clock, undefined, {
        onMessage: (message) => {
          if (message.type !== 'HELLO' || message.role !== 'pages') return;
          for (const answer of answers) peer.send(answer);
        },
        onClosed: () => {},
      });
      return a;
    },
    onMessage: () => {},
    onClosed: () => {},
    onPagesMessage: (channel, message) => channels.onMessage(channel, message),
    onPagesClosed: (channel, error) => channels.onClosed(channel, error),
    onRoundTrip: () => {},
  });
  const channels = new PageChannels({
    clock,
    options: { connections: 3, maxOutageMs: 30_000, maxReconnects: 100 },
    links,
    random: () => 1,
    transfer: () => undefined,
    mayOpen: () => true,
    onRefused: ({ code }) => refused.push(code),
    onLost: (id) => given.push(id),
    onBroken: ({ code }: FerryError) => lost.push(code),
  });
  await links.open('main');
  channels.open(capabilities);
  await clock.run(
    20_000,
    () => false,
    () => {},
  );
  return { lost, refused, connections, given, channels };
}

describe('page channels of a source', () => {
  it('are opened each at its own place, and waited for', async () => {
    const { lost, connections } = await open(capability.channels, [helloAck, ack]);
    expect(lost).toEqual([]);
    expect(connections).toEqual([0, 1, 2]);
  });

  it('are not opened to a destination that cannot take them', async () => {
    await expect(open(0, [helloAck])).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
  });

  it('are lost with the attempt where nobody greets, connects or keeps to what a page channel is for', async () => {
    const silent = await open(capability.channels, []);
    expect(silent.lost).toEqual(['ERR_PEER_TIMEOUT', 'ERR_PEER_TIMEOUT']);
    const unreachable = await open(capability.channels, [helloAck], (nth) => {
      if (nth === 2) throw new Error('no way');
    });
    expect(unreachable.lost[0]).toBe('ERR_CONNECTION_LOST');
    for (const answers of [
      [ack],
      [helloAck, helloAck],
      [helloAck, { type: 'READY', digest: new Uint8Array(32) }],
    ] as const) {
      const { lost } = await open(capability.channels, answers);
      expect(lost).toContain('ERR_UNEXPECTED_MESSAGE');
    }
  });

  it('say by which code they were refused', async () => {
    const reject: Message = { type: 'REJECT', code: 'ERR_OUT_OF_RANGE', text: 'two at most' };
    const { refused } = await open(capability.channels, [reject]);
    expect(refused).toContain('ERR_OUT_OF_RANGE');
  });

  it('are done without where they are refused because they come late', async () => {
    let left = 2;
    const reject: Message = { type: 'REJECT', code: 'ERR_UNEXPECTED_MESSAGE', text: 'verifying' };
    const capabilities = capability.channels | capability.reroutes;
    const late = await open(capabilities, [reject], (nth) => {
      if (nth > 0 && left-- > 0) throw new Error('no way');
    });
    expect(late).toMatchObject({ lost: [], refused: [], given: [1, 2] });
  });

  it('are given up by themselves where both ends can, and opened again until they were tried for too long', async () => {
    const capabilities = capability.channels | capability.reroutes;
    const silent = await open(capabilities, []);
    expect(silent).toMatchObject({ lost: [], given: [1, 2] });
    const unreachable = await open(capabilities, [helloAck], (nth) => {
      if (nth === 2) throw new Error('no way');
    });
    // Channel 2 goes on at the next place.
    expect(unreachable).toMatchObject({ lost: [], given: [], connections: [0, 1, 2, 3] });
    const dead = await open(capabilities, [helloAck], (nth) => {
      if (nth > 1) throw new Error('no way');
    });
    // 0.5, 1, 2, 4, 8 s later, and not again within the 20 s looked at.
    expect(dead).toMatchObject({ lost: [], given: [], connections: [0, 1, 2, 3, 4, 5, 6, 7] });
    const lying = await open(capabilities, [
      helloAck,
      { type: 'READY', digest: new Uint8Array(32) },
    ]);
    expect(lying.lost).toContain('ERR_UNEXPECTED_MESSAGE');
  });

  it('are not closed unless that was asked for', async () => {
    const { channels } = await open(capability.channels | capability.reroutes, [helloAck]);
    for (const channel of [1, 17, 3]) {
      expect(() =>
        channels.onChannelClosed({ type: 'CHANNEL_CLOSED', channel, lastAppliedSeq: 0 }),
      ).toThrow(expect.objectContaining({ code: 'ERR_UNEXPECTED_MESSAGE' }));
    }
    const silent = await open(capability.channels | capability.reroutes, []);
    const closed = { type: 'CHANNEL_CLOSED', channel: 1, lastAppliedSeq: 0 } as const;
    silent.channels.onChannelClosed(closed);
    expect(() => silent.channels.onChannelClosed(closed)).toThrow();
  });
});
