import { FerryError } from '../errors.js';
import type { Follow, Hello, HelloAck, Lead, Message } from '../protocol/messages.js';
import { capability, negotiateVersion } from '../protocol/version.js';

/** Where frames may wait that are too many for memory. */
export interface Spill {
  readonly folder: string;
  readonly maxBytes: number;
}

/** What a standby follows, and as whom. */
export interface FollowingOptions {
  /** Of the guest's record, and this life of the process in it. */
  readonly name: string;
  readonly member: string;
  readonly promiseMs: number;
  /** False: the copy is only kept. */
  readonly mayClaim: boolean;
  /** Of frames, in memory. */
  readonly maxEpochBytes: number;
  /** For what is beyond that. Default: nowhere. */
  readonly spill?: Spill | undefined;
}

/** What HELLO is answered with. ERR_VERSION; ERR_UNEXPECTED_MESSAGE for anything but a primary's HELLO. */
export function welcome(hello: Message): { readonly hello: Hello; readonly ack: HelloAck } {
  if (hello.type !== 'HELLO' || hello.role !== 'replica') throw unexpected(hello);
  const { minVersion, maxVersion, capabilities } = hello;
  const version = negotiateVersion(minVersion, maxVersion);
  if (version === undefined) {
    throw new FerryError('ERR_VERSION', `the primary speaks ${minVersion} to ${maxVersion}`);
  }
  const answer = { type: 'HELLO_ACK', version, standing: 'new' } as const;
  const common = capabilities & capability.held;
  return { hello, ack: { ...answer, capabilities: common, lastAppliedSeq: 0 } };
}

/** What LEAD is answered with, if its token may lead. ERR_INCOMPATIBLE for another guest; ERR_NO_CAPACITY for epochs that are too large. */
export function follow(
  lead: Message,
  { name, member, promiseMs, mayClaim, maxEpochBytes, spill }: FollowingOptions,
): { readonly lead: Lead; readonly answer: Follow } {
  if (lead.type !== 'LEAD') throw unexpected(lead);
  if (lead.guest !== name) {
    const what = `guest "${lead.guest}" is led; this is a standby of "${name}"`;
    throw new FerryError('ERR_INCOMPATIBLE', what);
  }
  const most = maxEpochBytes + (spill?.maxBytes ?? 0);
  if (lead.maxEpochBytes > most) {
    const what = `epochs of ${lead.maxEpochBytes} bytes are announced; at most ${most} are staged`;
    throw new FerryError('ERR_NO_CAPACITY', what);
  }
  return { lead, answer: { type: 'FOLLOW', promiseMs, mayClaim, member } };
}

export function unexpected({ type }: Message): FerryError {
  return new FerryError('ERR_UNEXPECTED_MESSAGE', `${type} of a primary`);
}
