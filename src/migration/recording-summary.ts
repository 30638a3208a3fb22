import { decompressLz4 } from '../codec/lz4.js';
import { runsOfTable } from '../codec/run-table.js';
import type { Message, MessageName, Offer } from '../protocol/messages.js';
import type { RecordedItem } from './recording-reader.js';

export interface Count {
  readonly count: number;
  readonly bytes: number;
}

/** What `pageferry inspect` tells of a recording. */
export interface RecordingSummary {
  readonly durationMs: number;
  readonly connections: number;
  readonly sessions: readonly string[];
  readonly offers: readonly Pick<Offer, 'identity' | 'regions' | 'handsOver'>[];
  /** Frames by message type, as the recording side saw them. */
  readonly messages: Readonly<Record<'out' | 'in', Readonly<Partial<Record<MessageName, Count>>>>>;
  /** Pages and their payload bytes by kind. */
  readonly pages: Readonly<Record<string, Count>>;
  readonly rounds: readonly {
    readonly round: number;
    readonly pages: number;
    readonly bytes: number;
  }[];
  /** Phases of the recording side's machine, repetitions left out. */
  readonly timeline: readonly {
    readonly atMs: number;
    readonly phase: string;
    readonly session: string | undefined;
  }[];
  /** The `completed` or `failed` event; undefined where the recording ends before. */
  readonly outcome: Readonly<Record<string, unknown>> | undefined;
}

const kindNames: Readonly<Record<number, string>> = {
  0: 'zero',
  1: 'fill',
  2: 'delta',
  4: 'patch',
  5: 'raw',
};
const fixedBytes: Readonly<Record<number, number>> = { 0: 0, 1: 8, 5: 4096 };

/** Adds a recording up. RangeError for a run table that is cut off, ERR_FRAME_CORRUPT for pages that do not decompress. */
export function summarize(items: Iterable<RecordedItem>): RecordingSummary {
  const connections = new Set<number>();
  const sessions = new Set<string>();
  const offers: Offer[] = [];
  const messages: Record<'out' | 'in', Partial<Record<MessageName, Count>>> = { out: {}, in: {} };
  const pages: Record<string, Count> = {};
  const rounds = new Map<number, { pages: number; bytes: number }>();
  const timeline: { atMs: number; phase: string; session: string | undefined }[] = [];
  const lastPhase = new Map<string | undefined, string>();
  let durationMs = 0;
  let outcome: RecordingSummary['outcome'];

  for (const item of items) {
    durationMs = item.atMs;
    if (item.kind === 'frame') {
      const { message, header } = item.decoded;
      const ofDirection = messages[item.direction];
      connections.add(item.connection);
      ofDirection[message.type] = plus(ofDirection[message.type], 1, item.frame.byteLength);
      if (message.type === 'HELLO') sessions.add(Buffer.from(message.session).toString('hex'));
      if (message.type === 'OFFER') offers.push(message);
      if (message.type === 'PAGES') {
        const round = rounds.get(header.round) ?? { pages: 0, bytes: 0 };
        round.pages += addPages(message, pages);
        round.bytes += item.frame.byteLength;
        rounds.set(header.round, round);
      }
    } else if (item.kind === 'step') {
      const { atMs, phase, session } = item;
      if (lastPhase.get(session) !== phase) timeline.push({ atMs, phase, session });
      lastPhase.set(session, phase);
    } else if (item.event['type'] === 'completed' || item.event['type'] === 'failed') {
      outcome = item.event;
    }
  }
  return {
    durationMs,
    connections: connections.size,
    sessions: [...sessions],
    offers: offers.map(({ identity, regions, handsOver }) => ({ identity, regions, handsOver })),
    messages,
    pages,
    rounds: [...rounds].map(([round, sums]) => ({ round, ...sums })),
    timeline,
    outcome,
  };
}

/** Adds the pages of one frame to `pages`; returns how many there are. */
function addPages(
  message: Extract<Message, { type: 'PAGES' }>,
  pages: Record<string, Count>,
): number {
  const { tableBytes, rawBytes } = message;
  const body =
    rawBytes > message.body.length ? decompressLz4(message.body, rawBytes) : message.body;
  let total = 0;
  let at = tableBytes;
  for (const { count, kind } of runsOfTable(body.subarray(0, tableBytes))) {
    const name = kindNames[kind] ?? `kind ${kind}`;
    const from = at;
    const each = fixedBytes[kind];
    if (each !== undefined) at += count * each;
    // Others begin with their length.
    else for (let page = 0; page < count; page++) at += 2 + lengthAt(body, at);
    pages[name] = plus(pages[name], count, at - from);
    total += count;
  }
  return total;
}

/** The u16 at `at`; 0 behind the end. */
function lengthAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) + 256 * (bytes[at + 1] ?? 0);
}

function plus(sum: Count | undefined, count: number, bytes: number): Count {
  return { count: (sum?.count ?? 0) + count, bytes: (sum?.bytes ?? 0) + bytes };
}
