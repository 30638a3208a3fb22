import { decodeMessage } from '../../src/protocol/decode.js';
import { encodeMessage } from '../../src/protocol/encode.js';
import { messageType } from '../../src/protocol/messages.js';
import type { Channel } from '../../src/transport/channel.js';
import type { MemoryPair } from '../../src/transport/memory-pair.js';
import type { Scenario } from './scenario.js';
import type { SimGuest } from './sim-guest.js';

/** Where the frame header keeps the message's type. */
export const typeOffset = 3;

/** Falsifies what passes over `pair`, the nth connection from 0, as the scenario wants it. */
export function tamper(
  pair: MemoryPair,
  connection: number,
  scenario: Scenario,
  destination: SimGuest,
): void {
  const { flip, flips = [], forge, decays, decayAfterAcks = 1 } = scenario;
  for (const { from, byte } of flips.filter((other) => other.connection === connection)) {
    flipByte(from === 'source' ? pair.a : pair.b, byte);
  }
  if (connection > 0) return;
  if (decays === true) decayAfter(decayAfterAcks, pair.b, destination);
  if (flip !== undefined) flipByte(flip.from === 'source' ? pair.a : pair.b, flip.byte);
  if (forge !== undefined) forgeFirstPages(pair.a, forge);
}

/** Leaves these bits of `capability` out of what the source says on this connection. */
export function leaveOut(channel: Channel, capabilities: number): void {
  replaceFrames(channel, (frame) => {
    if (frame[typeOffset] !== messageType.HELLO) return frame;
    const { header, message } = decodeMessage(frame);
    if (message.type !== 'HELLO') return frame;
    const left = message.capabilities & ~capabilities;
    return encodeMessage({ ...message, capabilities: left }, header);
  });
}

function flipByte(channel: Channel, byte: number): void {
  let passed = 0;
  replaceFrames(channel, (frame) => {
    const at = byte - passed;
    passed += frame.byteLength;
    if (at < 0 || at >= frame.byteLength) return frame;
    const flipped = new Uint8Array(frame);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (byte % 8));
    return flipped;
  });
}

function forgeFirstPages(channel: Channel, forge: (frame: Uint8Array) => Uint8Array): void {
  let done = false;
  replaceFrames(channel, (frame) => {
    if (done || frame[typeOffset] !== messageType.PAGES) return frame;
    done = true;
    return forge(new Uint8Array(frame));
  });
}

function replaceFrames(channel: Channel, replace: (frame: Uint8Array) => Uint8Array): void {
  const send = channel.send.bind(channel);
  channel.send = (frame, released) => send(replace(frame), released);
}

/** An ACK says that what came before it is in memory. */
function decayAfter(acks: number, channel: Channel, destination: SimGuest): void {
  let left = acks;
  replaceFrames(channel, (frame) => {
    if (frame[typeOffset] === messageType.ACK) {
      left -= 1;
      if (left === 0) destination.decay();
    }
    return frame;
  });
}
