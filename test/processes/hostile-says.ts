import {
  encodeMessage,
  headerBytes,
  type Message,
  type MessageName,
  type Offer,
} from '../../src/protocol/index.js';
import { varint } from '../reference/run-table.js';
import type { FakeSource } from './fake-source.js';
import { forge, type Lies } from './forge.js';

/** One thing a hostile source says, and what becomes of it. */
export interface HostileRow {
  readonly what: string;
  readonly code: string;
  /** How far it gets before it says it. */
  readonly after: 'connected' | 'greeted' | 'accepted' | 'repairing';
  readonly say: (source: FakeSource) => void;
  /** What the receiver answers before it hangs up, where it can. */
  readonly answer?: 'REJECT' | 'FAILED';
}

export const accepted: Pick<HostileRow, 'after' | 'answer'> = {
  after: 'accepted',
  answer: 'FAILED',
};
export const greeted: Pick<HostileRow, 'after' | 'answer'> = {
  after: 'greeted',
  answer: 'REJECT',
};

/** A body with everything around it as it should be. */
export function body(name: MessageName, bytes: readonly number[], lies?: Lies): HostileRow['say'] {
  return (source) => source.write(forge(name, Uint8Array.from(bytes), source.order(), lies));
}

/** PAGES of one run table and payload. */
export function pages(
  table: readonly number[],
  payload: readonly number[] = [],
): HostileRow['say'] {
  return body('PAGES', [...table, ...payload], { tableBytes: table.length });
}

export function say(message: Message): HostileRow['say'] {
  return (source) => source.say(message);
}

export function offer(change: (offer: Offer) => Partial<Offer>): HostileRow['say'] {
  return (source) => source.say({ ...source.offer, ...change(source.offer) });
}

/** The right OFFER but for one byte of its body. */
export function offerWith(at: number, value: number): HostileRow['say'] {
  return (source) => {
    const order = source.order();
    const bytes = encodeMessage(source.offer, order).slice(headerBytes);
    bytes[at] = value;
    source.write(forge('OFFER', bytes, order));
  };
}

export function named(name: string): HostileRow['say'] {
  return offer(({ regions }) => ({ regions: regions.map((region) => ({ ...region, name })) }));
}

/** The head of a run; behind one that is `changed` comes its region. */
export function run(count: number, kind: number, changed = true): number[] {
  return varint(count * 16 + (changed ? 8 : 0) + kind);
}
