import type { Random } from '../../reference/random.js';
import { type Kind, type NaivePage, naiveBody } from '../../reference/run-table.js';
import { naiveEncode } from '../../reference/xbzrle.js';
import { InputWriter } from '../input.js';
import { few, mutate } from '../mutate.js';

const pageBytes = 4096;
const writer = new InputWriter();

/** What a region is told of. */
export interface Shape {
  readonly id: number;
  readonly byteLength: number;
  readonly maxByteLength: number;
}

/** The one that grows; it ends inside a page. */
export const growingRegion: Shape = {
  id: 0,
  byteLength: 9 * pageBytes + 77,
  maxByteLength: 12 * pageBytes,
};
/** The region of the engine that has a long one besides: longer runs than are built at once. */
export const longRegion: Shape = {
  id: 3,
  byteLength: 600 * pageBytes,
  maxByteLength: 600 * pageBytes,
};
/** The regions of every engine, ids ascending. */
export const applyRegions: readonly Shape[] = [
  growingRegion,
  { id: 7, byteLength: 5 * pageBytes - 1, maxByteLength: 5 * pageBytes },
  { id: 0xffff_ffff, byteLength: 3 * pageBytes, maxByteLength: 3 * pageBytes },
];

/** What an input tells an engine to do. */
export const applyOps = { frame: 0, grow: 1, reread: 2 } as const;

/** Where the body of a frame stands: elsewhere; where the receive area of a channel begins, or in its middle. */
export const places = ['elsewhere', 'first area', 'second area', 'inside the first area'] as const;

/**
 * Some frames, most of them nearly right. Input: u8 engine, then u8 op: frame: u8 place, u16 bytes of its table, u24 bytes before compression,
 * u24 bytes and the body; grow: u16 bytes of region 0; reread: u16 pages.
 */
export function makeApplyInput(
  random: Random,
  engines: number,
  compress: (body: Uint8Array) => Uint8Array,
): Uint8Array {
  // The last takes longest by far.
  const engine = random.below(64) === 0 ? engines - 1 : random.below(engines - 1);
  writer.u8(engine);
  const hasLong = engine === engines - 1;
  for (let steps = 1 + few(random, 4); steps > 0; steps--) {
    const op = random.below(16);
    if (op === 0) writer.u8(applyOps.grow).u16(random.below(13 * pageBytes));
    else if (op === 1) writer.u8(applyOps.reread).u16(random.below(40));
    else writeFrame(random, hasLong, compress);
  }
  return writer.take();
}

function writeFrame(
  random: Random,
  hasLong: boolean,
  compress: (body: Uint8Array) => Uint8Array,
): void {
  const frame = naiveBody(somePages(random, hasLong));
  let { body, tableBytes } = frame;
  if (random.below(3) > 0) {
    // Most of what there is to be got wrong stands in the table.
    const table = mutate(random, body.subarray(0, tableBytes), few(random, 2));
    const payload = mutate(random, body.subarray(tableBytes), few(random, 3));
    body = Buffer.concat([table, payload]);
    tableBytes = random.below(8) === 0 ? tableBytes : table.length;
  }
  const rawBytes = body.length + (random.below(32) === 0 ? random.below(40) : 0);
  if (random.below(4) === 0) {
    const block = compress(body);
    if (block.length < body.length) {
      body = random.below(2) === 0 ? block : mutate(random, block, few(random, 3));
    }
  }
  writer.u8(applyOps.frame).u8(random.below(places.length));
  writer.u16(Math.min(tableBytes, 0xffff)).u24(rawBytes).u24(body.length).bytes(body);
}

function somePages(random: Random, hasLong: boolean): NaivePage[] {
  const regions = hasLong ? [growingRegion, longRegion, ...applyRegions.slice(1)] : applyRegions;
  const pages: NaivePage[] = [];
  const isAllLong = hasLong && random.below(2) === 0;
  for (const { id, byteLength } of regions) {
    const last = Math.ceil(byteLength / pageBytes);
    let kind = someKind(random);
    if (isAllLong && id === longRegion.id) {
      const few = kind === 'raw' ? 100 : 600;
      for (let page = 0; page < few; page++) pages.push(somePage(random, id, page, kind));
      continue;
    }
    for (let page = random.below(6); page < last; page += 1 + few(random, 4)) {
      if (random.below(3) === 0) kind = someKind(random);
      pages.push(somePage(random, id, page, kind));
      if (random.below(3) === 0) break;
    }
  }
  return pages.length > 0 ? pages : [somePage(random, 0, 0, 'zero')];
}

function someKind(random: Random): Kind {
  return (['zero', 'fill', 'delta', 'patch', 'patch', 'raw'] as const)[random.below(6)] ?? 'zero';
}

const blank = new Uint8Array(pageBytes);

function somePage(random: Random, region: number, page: number, kind: Kind): NaivePage {
  const of = (payload: Uint8Array): NaivePage => ({ region, page, kind, payload });
  switch (kind) {
    case 'zero':
      return of(blank.subarray(0, 0));
    case 'fill':
      return of(random.bytes(8));
    case 'raw':
      return of(blank.slice().fill(random.u32(), random.below(pageBytes)));
    case 'delta': {
      const next = blank.slice();
      for (let edits = 1 + few(random, 60); edits > 0; edits--) next[random.below(pageBytes)] = 9;
      return of(naiveEncode(blank, next, pageBytes - 3) ?? blank.subarray(0, 1));
    }
    case 'patch':
      return of(somePatch(random, page));
    default:
      return kind satisfies never;
  }
}

function varint(out: number[], value: number): void {
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest % 128) + 128);
  out.push(rest);
}

/** Tokens as docs/protocol.md, section 4 has them, which reach a little too far now and then. */
function somePatch(random: Random, page: number): Uint8Array {
  const out: number[] = [];
  let end = 0;
  for (let tokens = 1 + few(random, 12); tokens > 0; tokens--) {
    const left = pageBytes - end;
    const from = random.below(4);
    let literals = few(random, 12);
    let copied = few(random, random.below(4) === 0 ? 3000 : 40) + 4;
    // To the end of the page, or what is just beyond it.
    if (random.below(8) === 0) copied = Math.max(4, left - literals + random.below(5) - 3);
    if (left < 20 && random.below(2) === 0) literals = Math.max(0, left + random.below(4) - 2);
    if (literals + copied > left && random.below(4) > 0) break;
    out.push(from + 4 * Math.min(literals, 7) + 32 * Math.min(copied - 4, 7));
    if (literals >= 7) varint(out, literals - 7);
    out.push(...random.bytes(literals));
    if (copied >= 11) varint(out, copied - 11);
    end += literals + copied;
    if (from !== 3) continue;
    // To another page of the region, its end, or so far into the ring.
    const inRing = random.below(3) === 0;
    const to = inRing ? -random.below(6 * pageBytes) - page * pageBytes : someStep(random, page);
    varint(out, to >= 0 ? 2 * to : -2 * to - 1);
  }
  if (out.length === 0) out.push(4, random.below(256));
  return Uint8Array.from(out.slice(0, pageBytes - 3));
}

function someStep(random: Random, page: number): number {
  const step = random.below(9 * pageBytes) - page * pageBytes;
  return random.below(2) === 0 ? step : step % 300;
}
