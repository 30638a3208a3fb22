import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { benchRequire, ifInstalled } from './bench-packages.js';

/** bench/peers.c as functions. Views of any memory are passed as the pointers they are. */
export interface CPeers {
  scan_pages(a: Uint8Array, b: Uint8Array, pages: number): number;
  xbzrle_pages(
    previous: Uint8Array,
    next: Uint8Array,
    pages: number,
    out: Uint8Array,
    capacity: number,
  ): number;
  copy_literals(delta: Uint8Array, length: number, page: Uint8Array, pages: number): void;
}

/** Those of them that hash, with Debian's libxxhash: its SSE2 code. */
export interface XxhashPeers {
  xxh3_pages(memory: Uint8Array, pages: number, hashes: BigUint64Array, secret: Uint8Array): void;
  capture_three_passes(
    memory: Uint8Array,
    shadow: Uint8Array,
    pages: number,
    dirty: Uint8Array,
    hashes: BigUint64Array,
    secret: Uint8Array,
    frame: Uint8Array,
    frameBytes: number,
  ): number;
}

type CFunction = (...values: unknown[]) => number;

/** The part of koffi that is used: the package is installed beside the benches only. */
interface Koffi {
  load(file: string): { func(declaration: string): CFunction };
}

// From build/bench, where the compiled benches are.
const root = new URL('../../', import.meta.url);

const c = 'needs gcc and npm install --prefix bench --no-package-lock';

/** Compiles bench/peers.c. */
function compile(): ReturnType<Koffi['load']> {
  const library = fileURLToPath(new URL('build/peers.so', root));
  mkdirSync(new URL('build/', root), { recursive: true });
  const source = fileURLToPath(new URL('bench/peers.c', root));
  const options = ['-O3', '-march=native', '-Wall', '-Werror', '-shared', '-fPIC'];
  execFileSync('gcc', [...options, '-o', library, source, '-ldl']);
  return koffi().load(library);
}

function koffi(): Koffi {
  return benchRequire('koffi');
}

/** The rivals in C, compiled now; undefined, and a word why, where there is no gcc or koffi is not installed. */
export function loadCPeers(): CPeers | undefined {
  return ifInstalled(`C (${c})`, () => {
    const library = compile();
    return {
      scan_pages: library.func('int scan_pages(const uint8_t *a, const uint8_t *b, int pages)'),
      xbzrle_pages: library.func(
        'int xbzrle_pages(const uint8_t *previous, const uint8_t *next, int pages, uint8_t *out, int capacity)',
      ),
      copy_literals: library.func(
        'void copy_literals(const uint8_t *delta, int length, uint8_t *page, int pages)',
      ),
    };
  });
}

/** The same for those that need libxxhash.so.0 as well. */
export function loadXxhashPeers(): XxhashPeers | undefined {
  return ifInstalled(`libxxhash (${c}, and Debian's libxxhash0)`, () => {
    const library = compile();
    if (library.func('int load_xxhash(void)')() === 0) throw new Error('no libxxhash.so.0');
    return {
      xxh3_pages: library.func(
        'void xxh3_pages(const uint8_t *memory, int pages, uint64_t *hashes, const uint8_t *secret)',
      ),
      capture_three_passes: library.func(
        'long capture_three_passes(const uint8_t *memory, uint8_t *shadow, int pages, uint8_t *dirty, uint64_t *hashes, const uint8_t *secret, uint8_t *frame, int frame_bytes)',
      ),
    };
  });
}

/** Debian's liblz4 as functions. */
export interface Lz4Peer {
  LZ4_compress_default(
    source: Uint8Array,
    target: Uint8Array,
    bytes: number,
    capacity: number,
  ): number;
  LZ4_decompress_safe(
    source: Uint8Array,
    target: Uint8Array,
    bytes: number,
    capacity: number,
  ): number;
}

/** liblz4.so.1, with the options Debian compiled it with; undefined, and a word why, where it or koffi is not installed. */
export function loadLz4Peer(): Lz4Peer | undefined {
  return ifInstalled(`liblz4 (${c}, and Debian's liblz4-1)`, () => {
    const library = koffi().load('liblz4.so.1');
    return {
      LZ4_compress_default: library.func(
        'int LZ4_compress_default(const uint8_t *source, uint8_t *target, int bytes, int capacity)',
      ),
      LZ4_decompress_safe: library.func(
        'int LZ4_decompress_safe(const uint8_t *source, uint8_t *target, int bytes, int capacity)',
      ),
    };
  });
}
