import { describe, expect, it } from 'vitest';
import { bufferGuest } from '../../src/guests/buffer.js';
import { Sessions } from '../../src/migration/sessions.js';
import { decodeMessage, encodeMessage, type Message } from '../../src/protocol/index.js';
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
