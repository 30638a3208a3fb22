import { MAX_BLOCK_BYTES, MAX_STORED_BYTES } from './block-codec.js';
import { ByteReader, ByteWriter } from './byte-stream.js';
import { MAX_DEPTH, MAX_PACK_OBJECTS, PackIndex } from './pack-index.js';
import { SEAL_BYTES, type Sealer, section } from './sealed.js';
import { corrupt } from './store-error.js';
import type { StoreFile } from './store-files.js';
import { MAX_BATCH_PAGES, STORE_PAGE_BYTES } from './types.js';

const headBytes = 8;
/** Room for the first section of any index. */
export const HEADS_BYTES: number = SEAL_BYTES + 8 + headBytes * MAX_PACK_OBJECTS;

/** The two sections of a pack's index file: the first half of each id, which can be read alone; everything else. */
export function encodeIndex(index: PackIndex, sealer: Sealer): Uint8Array[] {
  const { count } = index;
  const heads = new ByteWriter(8 + headBytes * count);
  heads.u32(count);
  heads.u32(index.packBytes);
  const entries = new ByteWriter(64 + headBytes * count + 16 * index.blockCount);
  const bases = index.bases.map((id) => Buffer.from(id, 'hex'));
  let deltas = 0;
  for (let ordinal = 0; ordinal < count; ordinal++) if (index.depth(ordinal) > 0) deltas++;
  for (const value of [count, index.blockCount, bases.length, deltas]) entries.u32(value);
  const { words } = index;
  for (let ordinal = 0; ordinal < count; ordinal++) {
    heads.u32(words[4 * ordinal] as number);
    heads.u32(words[4 * ordinal + 1] as number);
    entries.u32(words[4 * ordinal + 2] as number);
    entries.u32(words[4 * ordinal + 3] as number);
  }
  for (let number = 0; number < index.blockCount; number++) {
    const { offset, storedBytes, rawBytes, first } = index.block(number);
    for (const value of [offset, storedBytes, rawBytes, first]) entries.u32(value);
  }
  for (const base of bases) entries.bytes(base);
  let last = 0;
  let lastBase = 0;
  for (let ordinal = 0; ordinal < count; ordinal++) {
    const depth = index.depth(ordinal);
    if (depth === 0) continue;
    const base = index.base(ordinal);
    entries.varint(ordinal - last);
    entries.varint(index.length(ordinal));
    entries.varint(base.pack === index.pack ? 0 : 1 + index.bases.indexOf(base.pack));
    entries.signed(base.ordinal - lastBase);
    entries.varint(depth);
    last = ordinal;
    lastBase = base.ordinal;
  }
  return [
    sealer.seal(section.heads, index.pack, heads.result()),
    sealer.seal(section.entries, index.pack, entries.result()),
  ];
}

export interface Heads {
  readonly count: number;
  readonly packBytes: number;
  /** 2 words for each object. */
  readonly words: Uint32Array;
  readonly end: number;
}

/** The first section alone, in `room` if it is large enough. */
export async function readHeads(
  file: StoreFile,
  pack: string,
  sealer: Sealer,
  room?: Uint8Array,
): Promise<Heads> {
  const where = `packs/${pack}.index`;
  const { body, end } = await sealer.read(file, 0, section.heads, pack, where, room);
  const reader = new ByteReader(body, where);
  const count = reader.u32();
  const packBytes = reader.u32();
  if (count > MAX_PACK_OBJECTS || reader.left !== headBytes * count) {
    throw corrupt(`${where}: ${count} objects in ${body.length} bytes`);
  }
  return { count, packBytes, words: wordsOf(reader.bytes(reader.left)), end };
}

/** The whole index of `pack`. ERR_STORE_CORRUPT if anything in it cannot be. */
export async function readIndex(file: StoreFile, pack: string, sealer: Sealer): Promise<PackIndex> {
  const where = `packs/${pack}.index`;
  const heads = await readHeads(file, pack, sealer);
  const { body, end } = await sealer.read(file, heads.end, section.entries, pack, where);
  if (end !== (await file.size())) throw corrupt(`${where}: bytes behind its end`);
  const reader = new ByteReader(body, where);
  const [count, blockCount, baseCount, deltaCount] = [
    reader.u32(),
    reader.u32(),
    reader.u32(),
    reader.u32(),
  ];
  const needed = headBytes * count + 16 * blockCount + 16 * baseCount + 5 * deltaCount;
  if (count !== heads.count || needed > reader.left) throw corrupt(`${where}: lying counts`);
  const tails = wordsOf(reader.bytes(headBytes * count));
  const index = new PackIndex(pack, count, blockCount);
  const id = new Uint32Array(4);
  for (let ordinal = 0; ordinal < count; ordinal++) {
    id[0] = heads.words[2 * ordinal] as number;
    id[1] = heads.words[2 * ordinal + 1] as number;
    id[2] = tails[2 * ordinal] as number;
    id[3] = tails[2 * ordinal + 1] as number;
    index.add(id, 0);
  }
  readBlocks(reader, index, blockCount, where);
  for (let base = 0; base < baseCount; base++) {
    index.bases.push(Buffer.from(reader.bytes(16)).toString('hex'));
  }
  readDeltas(reader, index, deltaCount, where);
  reader.end();
  checkBlocks(index, heads.packBytes, where);
  return index;
}

function readBlocks(reader: ByteReader, index: PackIndex, count: number, where: string): void {
  let end = SEAL_BYTES;
  for (let number = 0; number < count; number++) {
    const [offset, storedBytes, rawBytes, first] = [
      reader.u32(),
      reader.u32(),
      reader.u32(),
      reader.u32(),
    ];
    const fits = storedBytes <= MAX_STORED_BYTES && rawBytes <= MAX_BLOCK_BYTES;
    if (offset !== end || !fits) throw corrupt(`${where}: block ${number} cannot be`);
    index.addBlock(offset, storedBytes, rawBytes, first);
    end = offset + storedBytes;
  }
}

function readDeltas(reader: ByteReader, index: PackIndex, count: number, where: string): void {
  let ordinal = 0;
  let baseOrdinal = 0;
  for (let number = 0; number < count; number++) {
    const gap = reader.varint();
    ordinal += gap;
    const length = reader.varint();
    const pack = reader.varint();
    baseOrdinal += reader.signed();
    const depth = reader.varint();
    const isNext = number === 0 || gap > 0;
    const inPack = ordinal < index.count && length > 0 && length <= STORE_PAGE_BYTES;
    const hasBase =
      baseOrdinal >= 0 && baseOrdinal < MAX_PACK_OBJECTS && pack <= index.bases.length;
    if (!isNext || !inPack || !hasBase || depth < 1 || depth > MAX_DEPTH) {
      throw corrupt(`${where}: delta ${number} cannot be`);
    }
    const base = pack === 0 ? '' : (index.bases[pack - 1] as string);
    index.setDelta(ordinal, length, { pack: base, ordinal: baseOrdinal }, depth);
  }
}

/** Each block has 1 to 64 objects, which fill it. */
function checkBlocks(index: PackIndex, packBytes: number, where: string): void {
  if (index.packBytes !== packBytes || index.count > 0 !== index.blockCount > 0) {
    throw corrupt(`${where}: lying lengths`);
  }
  let next = 0;
  for (let number = 0; number < index.blockCount; number++) {
    const { first, rawBytes } = index.block(number);
    const end = index.blockEnd(number);
    if (first !== next || end <= first || end - first > MAX_BATCH_PAGES) {
      throw corrupt(`${where}: block ${number} cannot be`);
    }
    let bytes = 0;
    for (let ordinal = first; ordinal < end; ordinal++) bytes += index.length(ordinal);
    if (bytes !== rawBytes) throw corrupt(`${where}: block ${number} cannot be`);
    next = end;
  }
}

/** As little-endian words; copied only where they are not aligned: what is read for a look at it should not take twice its memory. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  const at = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return new Uint32Array(at.buffer, at.byteOffset, at.byteLength / 4);
}
