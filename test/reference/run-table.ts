/** Frame bodies, page by page and byte by byte: the naive twin of assembly/capture.ts, frame.ts, apply-check.ts and apply.ts. */
import { type NaiveRing, naivePatch, ringedDeltaBytes } from './patch.js';
import { naiveDecode } from './xbzrle.js';

export const kinds = { zero: 0, fill: 1, delta: 2, patch: 4, raw: 5 } as const;
export type Kind = keyof typeof kinds;

/** One page of a frame; `payload` without the length field of a delta or a patch. */
export interface NaivePage {
  readonly region: number;
  readonly page: number;
  readonly kind: Kind;
  readonly payload: Uint8Array;
}

export interface NaiveBody {
  readonly body: Uint8Array;
  readonly tableBytes: number;
}

export function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}

/** The body of a frame with these pages, in ascending order of region and page. */
export function naiveBody(pages: readonly NaivePage[]): NaiveBody {
  const runs: NaivePage[][] = [];
  for (const page of pages) {
    const run = runs.at(-1);
    const last = run?.at(-1);
    const continues =
      last?.region === page.region && last.kind === page.kind && last.page + 1 === page.page;
    if (continues) run?.push(page);
    else runs.push([page]);
  }
  const table: number[] = [];
  let region: number | undefined;
  let end = 0;
  for (const run of runs) {
    const first = run[0] as NaivePage;
    const changed = first.region !== region;
    if (changed) end = 0;
    table.push(...varint(first.page - end));
    table.push(...varint(run.length * 16 + (changed ? 8 : 0) + kinds[first.kind]));
    if (changed) table.push(...varint(first.region));
    region = first.region;
    end = first.page + run.length;
  }
  const payload = pages.flatMap(({ kind, payload }) =>
    kind === 'delta' || kind === 'patch'
      ? [Uint8Array.of(payload.length & 255, payload.length >> 8), payload]
      : [payload],
  );
  return { body: Buffer.concat([Uint8Array.from(table), ...payload]), tableBytes: table.length };
}

/** What a body says, page by page. Throws on whatever the grammar does not allow; patches are looked into by `naiveNext` only. */
export function naivePages(body: Uint8Array, tableBytes: number): NaivePage[] {
  const pages: NaivePage[] = [];
  let at = 0;
  let payloadAt = tableBytes;
  const readVarint = (): number => {
    let value = 0;
    for (let index = 0; ; index++) {
      if (at >= tableBytes || index === 5) throw new Error('cut off');
      const byte = body[at++] ?? 0;
      value += (byte % 128) * 128 ** index;
      if (byte >= 128) continue;
      if (value > 0xffffffff || (byte === 0 && index > 0)) throw new Error('not canonical');
      return value;
    }
  };
  const readPayload = (bytes: number): Uint8Array => {
    payloadAt += bytes;
    if (payloadAt > body.length) throw new Error('payload too short');
    return body.slice(payloadAt - bytes, payloadAt);
  };
  let region = -1;
  let end = 0;
  while (at < tableBytes) {
    const gap = readVarint();
    const head = readVarint();
    const kind = (Object.keys(kinds) as Kind[]).find((name) => kinds[name] === head % 8);
    if (kind === undefined) throw new Error('unknown kind');
    if (Math.floor(head / 8) % 2 === 1) {
      const next = readVarint();
      if (next <= region) throw new Error('not ascending');
      region = next;
      end = 0;
    } else if (region < 0) throw new Error('no region');
    const count = Math.floor(head / 16);
    if (count === 0 || pages.length + count > 32_768) throw new Error('count');
    for (let page = end + gap; page < end + gap + count; page++) {
      let bytes = { zero: 0, fill: 8, delta: 2, patch: 2, raw: 4096 }[kind];
      if (kind === 'delta' || kind === 'patch') {
        const [low = 0, high = 0] = readPayload(2);
        bytes = low + 256 * high;
        if (bytes < 1 || bytes > 4093) throw new Error('length');
      }
      pages.push({ region, page, kind, payload: readPayload(bytes) });
    }
    end += gap + count;
  }
  if (payloadAt !== body.length || pages.length === 0) throw new Error('payload too long');
  return pages;
}

/** The page that `page` makes of `previous` in `region`. Throws on a malformed delta or patch, and on patches without a ring. */
export function naiveNext(
  { kind, page, payload }: NaivePage,
  previous: Uint8Array,
  region: Uint8Array,
  ring: NaiveRing | undefined,
): Uint8Array {
  switch (kind) {
    case 'zero':
      return new Uint8Array(4096);
    case 'fill':
      return Uint8Array.from({ length: 4096 }, (_, index) => payload[index % 8] ?? 0);
    case 'raw':
      return payload;
    case 'delta': {
      const decoded = naiveDecode(payload, previous);
      if (decoded === null) throw new Error('malformed delta');
      return decoded.page;
    }
    case 'patch': {
      const patched = ring && naivePatch(payload, page, { region, ring });
      if (!patched) throw new Error('malformed patch');
      return patched;
    }
    default:
      return kind satisfies never;
  }
}

/** Carries out a body in whole memories, by region id. Unless `padding` is 'any', a page reaches past the end of its region only with zeros. */
export function naiveApply(
  memories: ReadonlyMap<number, Uint8Array>,
  frame: NaiveBody,
  padding: 'zeros' | 'any' = 'zeros',
  ring?: NaiveRing,
): void {
  for (const page of naivePages(frame.body, frame.tableBytes)) {
    const memory = memories.get(page.region);
    const offset = page.page * 4096;
    if (memory === undefined || offset >= memory.length) throw new Error('out of range');
    const previous = new Uint8Array(4096);
    previous.set(memory.subarray(offset, offset + 4096));
    const next = naiveNext(page, previous, memory, ring);
    const isLong = page.kind === 'delta' && page.payload.length > ringedDeltaBytes;
    if (page.kind === 'patch' || isLong) ring?.push(previous);
    const inside = Math.min(4096, memory.length - offset);
    if (padding === 'zeros' && next.subarray(inside).some((byte) => byte !== 0)) {
      throw new Error('beyond the end');
    }
    memory.set(next.subarray(0, inside), offset);
  }
}
