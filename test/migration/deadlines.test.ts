import { describe, expect, it } from 'vitest';
import type { FerryError } from '../../src/errors.js';
import { bufferGuest } from '../../src/guests/buffer.js';
import type { Guest } from '../../src/guests/guest.js';
import { type MigrateOptions, resolveOptions } from '../../src/migration/options.js';
import { Sessions } from '../../src/migration/sessions.js';
import { SourceDriver } from '../../src/migration/source.js';
import { decodeMessage, encodeMessage, type Message } from '../../src/protocol/index.js';
import type { Channel } from '../../src/transport/channel.js';
import { memoryPair } from '../../src/transport/memory-pair.js';
import { VirtualClock } from '../simulation/virtual-clock.js';

/** One that connects, says HELLO in the given role, and from then on only answers PING. */
async function say(role: 'main' | 'ask', untilMs: number): Promise<readonly Message[]> {
  const clock = new VirtualClock();
  const heard: Message[] = [];
  const sessions = new Sessions({
    accept: () => bufferGuest(new Uint8Array(4096)),
    limits: { maxImageBytes: 4096, maxStateBytes: 0 },
    clock,
    maxSessions: 1,
    emit: () => {},
    onArrival: () => {},
    onFailure: () => {},
  });
  const pair = memoryPair({ schedule: (task) => void clock.after(0.1, task) });
  sessions.greet(pair.b);
  let seq = 0;
  const send = (message: Message): void => {
    seq += 1;
    pair.a.send(encodeMessage(message, { seq, round: 0, attempt: 1 }));
  };
  pair.a.onFrame = (frame) => {
    const { message } = decodeMessage(frame);
    if (message.type === 'PING') send({ type: 'PONG', token: message.token });
    else heard.push(message);
  };
  pair.a.onClose = () => heard.push({ type: 'ABORTED', scope: 'session' });
  send({
    type: 'HELLO',
    minVersion: 1,
    maxVersion: 1,
    session: new Uint8Array(16).fill(3),
    attempt: 1,
    channel: 0,
    role,
    capabilities: 0,
    proof: new Uint8Array(32),
  });
  await clock.run(
    untilMs,
    () => false,
    () => {},
  );
  return heard;
}

describe('a destination', () => {
  it('does not keep a place for a source that says HELLO and offers nothing', async () => {
    expect((await say('main', 4000)).map(({ type }) => type)).toEqual(['HELLO_ACK']);
    const heard = await say('main', 20_000);
    expect(heard[1]).toMatchObject({ type: 'REJECT', code: 'ERR_PEER_TIMEOUT' });
    expect(heard.at(-1)?.type).toBe('ABORTED');
  });

  it('closes on one that asked for a session nobody knows, once it had time to read the answer', async () => {
    expect((await say('ask', 4000)).map(({ type }) => type)).toEqual(['HELLO_ACK']);
    expect((await say('ask', 20_000)).at(-1)?.type).toBe('ABORTED');
  });
});

/** A destination that answers everything up to `last`, and from then on only PING. */
function answerUpTo(last: 'ROUND_END' | 'PREPARE', channel: Channel): void {
  let seq = 0;
  const answer = (message: Message): void => {
    seq += 1;
    channel.send(encodeMessage(message, { seq, round: 0, attempt: 1 }));
  };
  channel.onFrame = (frame) => {
    const { header, message } = decodeMessage(frame);
    switch (message.type) {
      case 'HELLO': {
        const { minVersion: version } = message;
        const standing = 'new';
        answer({ type: 'HELLO_ACK', version, standing, capabilities: 0, lastAppliedSeq: 0 });
        return;
      }
      case 'OFFER':
        answer({ type: 'ACCEPT', bases: message.regions.map(() => 'zero') });
        return;
      case 'PAGES':
      case 'STATE':
      case 'ROUND_END':
        answer({ type: 'ACK', seq: header.seq, appliedBytes: 0, rereadPages: 0 });
        return;
      case 'PREPARE':
        if (last === 'PREPARE') answer({ type: 'READY', digest: message.digest });
        return;
      case 'PING':
        answer({ type: 'PONG', token: message.token });
        return;
      default:
        return;
    }
  };
}

/** Sends `guest` to such a destination for `untilMs`: how that failed, if it did, and whether the guest stands still. */
async function sendTo(
  last: 'ROUND_END' | 'PREPARE',
  untilMs: number,
  guest: Partial<Guest>,
  options: MigrateOptions = {},
): Promise<{ readonly code: string | undefined; readonly stopped: boolean; readonly ms: number }> {
  const clock = new VirtualClock();
  let stopped = false;
  let connections = 0;
  const driver = new SourceDriver({
    guest: {
      ...bufferGuest(new Uint8Array(1000 * 4096).fill(1)),
      pause: async () => {
        stopped = true;
      },
      resume: async () => {
        stopped = false;
      },
      ...guest,
    },
    connect: async () => {
      connections += 1;
      if (connections > 1) throw new Error('it takes no other connection');
      const pair = memoryPair({ schedule: (task) => void clock.after(0.1, task) });
      answerUpTo(last, pair.b);
      return pair.a;
    },
    clock,
    options: resolveOptions(options),
    emit: () => {},
  });
  let code: string | undefined;
  driver.done.catch((error: FerryError) => {
    code = error.code;
  });
  driver.start();
  await clock.run(
    untilMs,
    () => code !== undefined,
    () => {},
  );
  return { code, stopped, ms: clock.now() };
}

describe('a source', () => {
  const copied = { handsOver: false, maxStateBytes: 0 } as const;
  const unlimited: [string, Partial<Guest>, MigrateOptions][] = [
    ['a copy of what stands still', { ...copied, motion: 'still' }, {}],
    ['a copy of what nobody can pause', { ...copied, motion: 'unpausable' }, {}],
    ['a forced switchover', {}, { maxDowntimeMs: 0.001, onStall: 'force' }],
  ];

  it.each(unlimited)(
    'waits for the READY of %s as long as a slow disk may take, and not for ever',
    async (_, guest, options) => {
      // 60 s, and 1 s for the thousand pages.
      expect(await sendTo('ROUND_END', 60_900, guest, options)).toMatchObject({ code: undefined });
      const { code, stopped, ms } = await sendTo('ROUND_END', 600_000, guest, options);
      expect([code, stopped]).toEqual(['ERR_PEER_TIMEOUT', false]);
      expect(ms).toBeLessThan(70_000);
    },
  );

  it('waits for the RUNNING of a copy in the same way', async () => {
    const guest: Partial<Guest> = { ...copied, motion: 'still' };
    expect(await sendTo('PREPARE', 60_900, guest)).toMatchObject({ code: undefined });
    const { code } = await sendTo('PREPARE', 600_000, guest);
    expect(code).toBe('ERR_OUTCOME_UNKNOWN');
  });

  it('waits for ever for the RUNNING of what it handed over', async () => {
    const { code, stopped } = await sendTo('PREPARE', 600_000, {});
    expect([code, stopped]).toEqual([undefined, true]);
  });
});
