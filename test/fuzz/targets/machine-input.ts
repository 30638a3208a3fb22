import { FerryError, ferryErrorCodes } from '../../../src/errors.js';
import type { Message, Offer, Pages, SessionStanding } from '../../../src/protocol/index.js';
import type { InputReader } from '../input.js';

/** What both sides of a machine's conversation are about; `digests[0]` is the right one. */
export const digests: readonly Uint8Array[] = [7, 8, 0].map((byte) =>
  new Uint8Array(32).fill(byte),
);
const standings: readonly SessionStanding[] = [
  'new',
  'receiving',
  'ready',
  'running',
  'aborted',
  'start-failed',
  'unknown',
];
export const pages: Pages = { type: 'PAGES', tableBytes: 0, rawBytes: 0, body: new Uint8Array() };

export function offerOf(handsOver: boolean): Offer {
  return {
    type: 'OFFER',
    pageSize: 4096,
    secret: new Uint8Array(192),
    identity: { kind: 'buffer', version: '', features: [] },
    handsOver,
    maxStateBytes: 1024,
    maxDowntimeMs: 50,
    regions: [{ id: 0, name: 'memory', byteLength: 8192, maxByteLength: 8192 }],
  };
}

/** One of a few, the first most often. */
export function pick<T>(choices: readonly T[], number: number): T {
  const choice = choices[number < 160 ? 0 : number % choices.length];
  if (choice === undefined) throw new RangeError('nothing to choose from');
  return choice;
}

export function readError(input: InputReader): FerryError {
  return new FerryError(pick(ferryErrorCodes, input.u8()), 'for the test');
}

/** Any message there is, with what a machine looks at chosen: u8 type, u8 which. */
export function readMessage(input: InputReader): Message {
  const type = input.u8() % 27;
  const which = input.u8();
  const digest = pick(digests, which);
  const code = pick(ferryErrorCodes, which);
  const scope = which % 2 === 0 ? 'session' : 'switchover';
  switch (type) {
    case 0:
      return {
        type: 'HELLO_ACK',
        version: 1,
        standing: standings[which % standings.length] ?? 'new',
        capabilities: which,
        lastAppliedSeq: which,
      };
    case 1:
      return offerOf(which % 2 === 0);
    case 2:
      return { type: 'ACCEPT', bases: pick([['zero'], [], ['zero', 'unknown'], ['held']], which) };
    case 3:
      return { type: 'REJECT', code, text: '' };
    case 4:
      return pages;
    case 5:
      return { type: 'REGION', id: which, name: '', byteLength: which - 1 };
    case 6:
      return { type: 'ROUND_END', round: which };
    case 7:
      return { type: 'ACK', seq: which, appliedBytes: which, rereadPages: 0 };
    case 8:
      return { type: 'HASHES', region: 0, level: 'leaf', entries: [], last: which % 2 === 0 };
    case 9:
      return { type: 'HASHES_REQUEST', region: 0, leaves: [], last: which % 2 === 0 };
    case 10:
      return { type: 'STATE', totalBytes: which, offset: 0, bytes: new Uint8Array() };
    case 11:
      return { type: 'REHEARSED', loadMs: which };
    case 12:
      return { type: 'PREPARE', generation: 1, finalSeqs: [3], digest };
    case 13:
      return { type: 'PREPARE', generation: 1 + (which % 2), finalSeqs: [3, 2], digest };
    case 14:
      return { type: 'READY', digest };
    case 15:
      return { type: 'FAILED', code, text: '' };
    case 16:
      return { type: 'COMMIT', digest };
    case 17:
      return { type: 'RUNNING', digest, verifyMs: 0, loadMs: 0, acquireMs: 0, resumeMs: 0 };
    case 18:
      return { type: 'START_FAILED', code, text: '' };
    case 19:
      return { type: 'ABORT', scope, code, text: '' };
    case 20:
      return { type: 'ABORTED', scope };
    case 21:
      return {
        type: 'STATE_DELTA',
        purpose: which % 2 === 0 ? 'final' : 'rehearsal',
        firstUnit: 0,
        totalBytes: 0,
        base: 0n,
        units: new Uint8Array(),
      };
    case 22:
      return {
        type: 'HELD',
        region: 0,
        level: which % 2 === 0 ? 'range' : 'page',
        first: 0,
        digests: digest.subarray(0, 16),
      };
    case 23:
      return { type: 'HELD_REQUEST', region: 0, ranges: [which] };
    case 25:
      return { type: 'CHANNEL_CLOSE', channel: 1 + which };
    case 26:
      return { type: 'CHANNEL_CLOSED', channel: 1 + (which % 4), lastAppliedSeq: which % 5 };
    default:
      return { type: 'PING', token: which };
  }
}
