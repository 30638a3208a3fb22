import { ApplyEngine } from '../../../src/codec/apply.js';
import { digestOf } from '../../../src/migration/digest.js';
import {
  encodeMessage,
  type Hello,
  headerBytes,
  type Message,
  type Offer,
} from '../../../src/protocol/index.js';
import type { Random } from '../../reference/random.js';
import { testRegion } from '../../reference/regions.js';
import { naiveBody } from '../../reference/run-table.js';
import { someFrame } from '../corpus.js';
import { InputWriter } from '../input.js';
import { few, mutate } from '../mutate.js';
import { reseal } from '../seal.js';

/** What an input does to a destination. */
export const steps = { say: 0, connect: 1, close: 2, wait: 3, cut: 4 } as const;
/** Beside the bits of `reseal`: the frame gets the number that is due, and its connection's attempt. */
export const inOrder = 8;
const sealed = reseal.body | reseal.header | reseal.length;

export const imageBytes: number = 3 * 4096 + 5;
const sessions = [1, 2].map((byte) => new Uint8Array(16).fill(byte));
const noState: Message = { type: 'STATE', totalBytes: 0, offset: 0, bytes: new Uint8Array() };
const writer = new InputWriter();

const offer: Offer = {
  type: 'OFFER',
  pageSize: 4096,
  secret: new Uint8Array(192).fill(7),
  identity: { kind: 'buffer', version: '', features: [] },
  handsOver: true,
  maxStateBytes: 4096,
  maxDowntimeMs: 50,
  regions: [{ id: 0, name: 'memory', byteLength: imageBytes, maxByteLength: imageBytes }],
};

/**
 * What a hostile source does: a conversation that is broken off, changed or repeated anywhere. Input: u8 step, then say: u8 connection, u8 bits,
 * u16 bytes and the frame; close, cut: u8 connection; wait: u16 milliseconds; connect: nothing.
 */
export function makeConversation(random: Random): Uint8Array {
  for (let parts = 1 + few(random, 3); parts > 0; parts--) writePart(random);
  return writer.take();
}

/** One connection, from its first frame on. */
function writePart(random: Random): void {
  writer.u8(steps.connect);
  if (random.below(4) === 0) {
    writeStranger(random);
    return;
  }
  const attempt = 1 + few(random, 3);
  const hello = someHello(random, attempt);
  const rest = someConversation(random, hello.session);
  // Seldom far: each that is accepted takes an engine.
  const isLong = random.below(4) === 0;
  const length = isLong ? random.below(rest.length + 1) : 0;
  writeSaid(random, [hello, ...rest.slice(0, length)], random.below(3));
}

/** Somebody who does not begin as a source does. */
function writeStranger(random: Random): void {
  const bytes =
    random.below(2) === 0 ? random.bytes(few(random, 100)) : mutate(random, someFrame(random), 1);
  writeFrame(bytes, random.below(16));
}

function someHello(random: Random, attempt: number): Hello {
  const role = random.below(3) > 0 ? 'main' : random.below(2) === 0 ? 'ask' : 'pages';
  return {
    type: 'HELLO',
    minVersion: 1,
    maxVersion: 1 + few(random, 2),
    session: sessions[few(random, 1)] ?? new Uint8Array(16),
    attempt,
    channel: role === 'pages' ? 1 + few(random, 20) : 0,
    role,
    capabilities: random.below(16),
    proof: new Uint8Array(32),
  };
}

function someConversation(random: Random, session: Uint8Array): Message[] {
  const pages: Message[] = [];
  for (let count = few(random, 2); count > 0; count--) pages.push(somePages(random));
  const behind: Message[] = [offer, ...pages, noState];
  const prepare = prepared(session, 1 + behind.length);
  const { digest } = prepare;
  const again: Message = { type: 'ABORT', scope: 'switchover', code: 'ERR_ABORTED', text: '' };
  const retreat = random.below(4) === 0 ? [again] : [];
  return [...behind, prepare, ...retreat, { type: 'COMMIT', digest }];
}

function somePages(random: Random): Message {
  const kind = random.below(3) > 0 ? 'zero' : 'fill';
  const payload = kind === 'zero' ? new Uint8Array() : random.bytes(8);
  const { body, tableBytes } = naiveBody([{ region: 0, page: random.below(4), kind, payload }]);
  return { type: 'PAGES', tableBytes, rawBytes: body.length, body };
}

let roots: ReturnType<ApplyEngine['roots']> | undefined;

/** The right one for memory that is still all zeros, behind the state as frame `seq`. */
function prepared(session: Uint8Array, seq: number): Extract<Message, { type: 'PREPARE' }> {
  roots ??= new ApplyEngine([testRegion(new Uint8Array(imageBytes), { fresh: true })], {
    secret: offer.secret,
  }).roots();
  const transcript = { session, generation: 1, finalSeqs: [seq], state: new Uint8Array() };
  const digest = digestOf({ ...transcript, regions: roots });
  return { type: 'PREPARE', generation: 1, finalSeqs: [seq], digest };
}

function writeSaid(random: Random, messages: readonly Message[], faults: number): void {
  const wrong = faults === 0 ? -1 : random.below(messages.length);
  for (const [at, message] of messages.entries()) {
    const frame = encodeMessage(message, { seq: 0, round: 0, attempt: attemptOf(messages) });
    if (at !== wrong) writeFrame(frame, sealed | inOrder);
    else writeFault(random, frame, faults);
    if (random.below(24) === 0) writer.u8(steps.wait).u16(random.below(7000));
  }
  if (random.below(8) === 0) writer.u8(random.below(2) * 2 + 2).u8(random.below(4));
}

function writeFault(random: Random, frame: Uint8Array, faults: number): void {
  switch (random.below(4)) {
    case 0:
      // Something else altogether, in front of it.
      writeFrame(someFrame(random), sealed | inOrder);
      writeFrame(frame, sealed | inOrder);
      return;
    case 1:
      writeFrame(frame, random.below(16));
      return;
    default: {
      // Only what is said is wrong, not how.
      const body = mutate(random, frame.subarray(headerBytes), faults);
      const whole = Buffer.concat([frame.subarray(0, headerBytes), body]);
      if (frame[3] !== 6)
        new DataView(whole.buffer, whole.byteOffset).setUint32(12, body.length, true);
      writeFrame(whole, sealed | inOrder);
    }
  }
}

function attemptOf([hello]: readonly Message[]): number {
  return hello?.type === 'HELLO' ? hello.attempt : 1;
}

function writeFrame(frame: Uint8Array, bits: number): void {
  // To the newest connection.
  writer.u8(steps.say).u8(0).u8(bits).u16(frame.length).bytes(frame);
}
