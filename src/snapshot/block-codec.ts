import { createCipheriv, createDecipheriv } from 'node:crypto';
import * as zlib from 'node:zlib';
import { Arena } from '../core/arena.js';
import { checksum } from '../core/checksum.js';
import { FerryError } from '../errors.js';
import { corrupt } from './store-error.js';
import { type BlockBytes, blockMethod, type Compression } from './types.js';

/** Raw bytes of a block: 64 pages. */
export const MAX_BLOCK_BYTES: number = 256 * 1024;
export const BLOCK_HEADER_BYTES = 24;
const tagBytes = 16;
/** No block is longer as it is stored: one that does not get shorter is stored as it is. */
export const MAX_STORED_BYTES: number = BLOCK_HEADER_BYTES + MAX_BLOCK_BYTES + tagBytes;

const slack = 64;
/** How many stored blocks may be on their way to a file. */
export const blockSlots = 4;

/** node:zlib's from Node 22.15 on. */
const zstd = zlib as {
  zstdCompressSync?: (
    bytes: Uint8Array,
    options: { params: Readonly<Record<number, number>> },
  ) => Uint8Array;
  zstdDecompressSync?: (bytes: Uint8Array, options: { maxOutputLength: number }) => Uint8Array;
};

/** As `zstd -1`: ZSTD_c_compressionLevel (zstd.h), which types of Node 20 do not name. */
const zstdParams = { 100: 1 };

/** ERR_UNSUPPORTED where this Node cannot compress so. */
export function checkCompression(compression: Compression): void {
  if (!Object.hasOwn(blockMethod, compression)) {
    throw new RangeError(`compression ${String(compression)}`);
  }
  if (compression === 'zstd' && zstd.zstdCompressSync === undefined) {
    throw new FerryError('ERR_UNSUPPORTED', 'this Node has no zstd');
  }
}

/**
 * Blocks to and from the bytes they are stored as: XXH3-64 of what follows, u32 stored bytes, u32 raw bytes, u16 objects, u8 method, u8 0, u32 number; then
 * the compressed bytes, with a key encrypted by AES-256-GCM (nonce: the number) and its tag behind them. Each thread has its own.
 */
export class BlockCodec {
  readonly #arena: Arena;
  readonly #raw: number;
  readonly #packed: number;
  readonly #table: number;
  readonly #slots: number[] = [];
  #next = 0;

  /** Bytes of an arena that it takes. */
  static readonly byteLength: number =
    (blockSlots + 2) * (MAX_STORED_BYTES + 2 * slack) + (64 << 10);

  /** `arena`: what lies in it is compressed where it lies. Default: one of its own. */
  constructor(arena: Arena = new Arena(BlockCodec.byteLength)) {
    this.#arena = arena;
    this.#raw = this.#arena.alloc(MAX_BLOCK_BYTES + slack);
    this.#packed = this.#arena.alloc(MAX_STORED_BYTES + slack);
    this.#table = this.#arena.alloc(16 << 10);
    for (let slot = 0; slot < blockSlots; slot++) {
      this.#slots.push(this.#arena.alloc(MAX_STORED_BYTES + slack));
    }
  }

  /** Compresses `raw`, or leaves it as it is: less than 1/64 saved is not worth decompressing. A view, valid until the next call. */
  compress(raw: Uint8Array, compression: Compression): BlockBytes {
    const limit = raw.length - (raw.length >>> 6) - 1;
    if (compression === 'lz4') {
      const { kernels } = this.#arena;
      const isHere = raw.buffer === this.#arena.memory.buffer;
      if (!isHere) this.#arena.bytes(this.#raw, raw.length).set(raw);
      const from = isHere ? raw.byteOffset : this.#raw;
      const at = this.#packed;
      const bytes = kernels.lz4Compress(from, raw.length, at, limit, this.#table);
      if (bytes > 0) return { method: blockMethod.lz4, bytes: this.#arena.bytes(at, bytes) };
    }
    if (compression === 'zstd' && zstd.zstdCompressSync !== undefined) {
      const packed = zstd.zstdCompressSync(raw, { params: zstdParams });
      if (packed.length <= limit) return { method: blockMethod.zstd, bytes: packed };
    }
    return { method: blockMethod.none, bytes: raw };
  }

  /** Makes a block of what was compressed: a view, valid until three more are made, or read. */
  wrap(
    block: BlockBytes,
    rawBytes: number,
    objects: number,
    number: number,
    key: Uint8Array | undefined,
  ): Uint8Array {
    const { bytes, method } = block;
    if (bytes.length > MAX_BLOCK_BYTES || bytes.length === 0) {
      throw new RangeError(`block of ${bytes.length} bytes`);
    }
    if (!Object.values(blockMethod).some((known) => known === method)) {
      throw new RangeError(`block method ${method}`);
    }
    const at = this.#slot();
    this.#arena.bytes(at + BLOCK_HEADER_BYTES, bytes.length).set(bytes);
    return this.#finish(at, bytes.length, rawBytes, objects, number, method, key);
  }

  /**
   * The raw bytes of block `number`, a view that is valid until the next call. `stored`: from its header on. ERR_STORE_CORRUPT if it is anything
   * else than a block of `rawBytes`; ERR_UNSUPPORTED if this Node lacks its method.
   */
  decode(
    stored: Uint8Array,
    number: number,
    rawBytes: number,
    key: Uint8Array | undefined,
    where: string,
  ): Uint8Array {
    if (stored.length < BLOCK_HEADER_BYTES + 1 || stored.length > MAX_STORED_BYTES) {
      throw corrupt(`${where}: no block has ${stored.length} bytes`);
    }
    const at = this.#slot();
    const area = this.#arena.bytes(at, stored.length);
    area.set(stored);
    const header = new DataView(area.buffer, area.byteOffset, BLOCK_HEADER_BYTES);
    const sum = checksum(area.subarray(8), this.#arena);
    const payloadBytes = stored.length - BLOCK_HEADER_BYTES;
    const isWhole =
      header.getBigUint64(0, true) === sum &&
      header.getUint32(8, true) === payloadBytes &&
      header.getUint32(12, true) === rawBytes &&
      header.getUint32(20, true) === number;
    if (!isWhole || rawBytes > MAX_BLOCK_BYTES) throw corrupt(`${where} was damaged`);
    const method = area[18];
    let payload = area.subarray(BLOCK_HEADER_BYTES);
    if (key !== undefined) {
      const plain = decrypt(payload, number, key, where);
      payload = payload.subarray(0, plain.length);
      payload.set(plain);
    }
    return this.#expand(payload, at + BLOCK_HEADER_BYTES, method, rawBytes, where);
  }

  #expand(
    payload: Uint8Array,
    address: number,
    method: number | undefined,
    rawBytes: number,
    where: string,
  ): Uint8Array {
    if (method === blockMethod.none && payload.length === rawBytes) return payload;
    const raw = this.#arena.bytes(this.#raw, rawBytes);
    if (method === blockMethod.lz4) {
      const { kernels } = this.#arena;
      if (kernels.lz4Decompress(address, payload.length, this.#raw, rawBytes) === 1) return raw;
    }
    if (method === blockMethod.zstd) {
      if (zstd.zstdDecompressSync === undefined) {
        throw new FerryError('ERR_UNSUPPORTED', `${where} is compressed by zstd: use Node 22.15`);
      }
      try {
        const plain = zstd.zstdDecompressSync(payload, { maxOutputLength: rawBytes });
        if (plain.length === rawBytes) {
          raw.set(plain);
          return raw;
        }
      } catch (error) {
        throw corrupt(`${where} was damaged`, error);
      }
    }
    throw corrupt(`${where} was damaged`);
  }

  #slot(): number {
    this.#next = (this.#next + 1) % blockSlots;
    return this.#slots[this.#next] as number;
  }

  #finish(
    at: number,
    bytes: number,
    rawBytes: number,
    objects: number,
    number: number,
    method: number,
    key: Uint8Array | undefined,
  ): Uint8Array {
    const stored = bytes + (key === undefined ? 0 : tagBytes);
    const area = this.#arena.bytes(at, BLOCK_HEADER_BYTES + stored);
    if (key !== undefined) encrypt(area.subarray(BLOCK_HEADER_BYTES), bytes, number, key);
    const header = new DataView(area.buffer, area.byteOffset, BLOCK_HEADER_BYTES);
    header.setUint32(8, stored, true);
    header.setUint32(12, rawBytes, true);
    header.setUint16(16, objects, true);
    header.setUint16(18, method, true);
    header.setUint32(20, number, true);
    header.setBigUint64(0, checksum(area.subarray(8), this.#arena), true);
    return area;
  }
}

function nonceOf(number: number): Uint8Array {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setUint32(0, number, true);
  return nonce;
}

/** Encrypts the first `bytes` of `area` in place; the tag goes behind them. */
function encrypt(area: Uint8Array, bytes: number, number: number, key: Uint8Array): void {
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(number));
  area.set(cipher.update(area.subarray(0, bytes)));
  cipher.final();
  area.set(cipher.getAuthTag(), bytes);
}

function decrypt(area: Uint8Array, number: number, key: Uint8Array, where: string): Uint8Array {
  const bytes = area.length - tagBytes;
  if (bytes <= 0) throw corrupt(`${where} was damaged`);
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(number), {
    authTagLength: tagBytes,
  });
  decipher.setAuthTag(area.subarray(bytes));
  const plain = decipher.update(area.subarray(0, bytes));
  try {
    decipher.final();
  } catch (error) {
    throw corrupt(`${where} was damaged`, error);
  }
  return plain;
}
