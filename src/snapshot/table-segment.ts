import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { ByteReader, ByteWriter } from './byte-stream.js';
import { MAX_PACK_OBJECTS } from './pack-index.js';
import { ordinalOf, packOf, placeOf } from './places.js';
import { corrupt } from './store-error.js';

/** Pages of a segment: 32 MiB. */
export const SEGMENT_PAGES = 8192;
/** No encoded segment is longer. */
const maxRawBytes = 16 * SEGMENT_PAGES;

/**
 * Places as runs: how many zero pages before, how many pages, which pack (as `numberOf` calls it), and how far the first ordinal is from where that pack was
 * left. Deflated.
 */
export function encodeSegment(places: Uint32Array, numberOf: (pack: number) => number): Uint8Array {
  const out = new ByteWriter(256);
  const left = new Map<number, number>();
  let end = 0;
  for (let page = 0; page < places.length; ) {
    const first = places[page] as number;
    if (first === 0) {
      page++;
      continue;
    }
    let count = 1;
    // Ordinals that follow one another are places that do: 65535 is none.
    while (page + count < places.length && places[page + count] === first + count) count++;
    const pack = packOf(first);
    const ordinal = ordinalOf(first);
    out.varint(page - end);
    out.varint(count);
    out.varint(numberOf(pack));
    out.signed(ordinal - (left.get(pack) ?? 0));
    left.set(pack, ordinal + count);
    page += count;
    end = page;
  }
  return deflateRawSync(out.result(), { level: 6 });
}

/** The places of a segment; `packs`: the number that the catalog gave to each pack. ERR_STORE_CORRUPT if it is none. */
export function decodeSegment(
  bytes: Uint8Array,
  packs: (pack: number) => number | undefined,
  where: string,
): Uint32Array {
  let raw: Uint8Array;
  try {
    raw = inflateRawSync(bytes, { maxOutputLength: maxRawBytes });
  } catch (error) {
    throw corrupt(`${where} was damaged`, error);
  }
  const reader = new ByteReader(raw, where);
  const places = new Uint32Array(SEGMENT_PAGES);
  const left = new Map<number, number>();
  for (let page = 0; reader.left > 0; ) {
    page += reader.varint();
    const count = reader.varint();
    const pack = packs(reader.varint());
    if (pack === undefined) throw corrupt(`${where} names a pack that it does not list`);
    const ordinal = reader.signed() + (left.get(pack) ?? 0);
    const fits = page + count <= SEGMENT_PAGES && ordinal + count <= MAX_PACK_OBJECTS;
    if (count < 1 || ordinal < 0 || !fits) throw corrupt(`${where}: a run cannot be`);
    const first = placeOf(pack, ordinal);
    for (let run = 0; run < count; run++) places[page + run] = first + run;
    left.set(pack, ordinal + count);
    page += count;
  }
  return places;
}
