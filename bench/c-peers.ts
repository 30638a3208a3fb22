import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

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
}

/** The part of koffi that is used: the package is installed beside the benches only. */
interface Koffi {
  load(file: string): { func(declaration: string): (...values: unknown[]) => number };
}

// From build/bench, where the compiled benches are.
const root = new URL('../../', import.meta.url);

/** The rivals in C, compiled now; undefined, and a word why, where there is no gcc or koffi is not installed. */
export function loadCPeers(): CPeers | undefined {
  try {
    const koffi: Koffi = createRequire(new URL('bench/package.json', root))('koffi');
    const library = fileURLToPath(new URL('build/peers.so', root));
    mkdirSync(new URL('build/', root), { recursive: true });
    const source = fileURLToPath(new URL('bench/peers.c', root));
    execFileSync('gcc', ['-O3', '-march=native', '-shared', '-fPIC', '-o', library, source]);
    const c = koffi.load(library);
    return {
      scan_pages: c.func('int scan_pages(const uint8_t *a, const uint8_t *b, int pages)'),
      xbzrle_pages: c.func(
        'int xbzrle_pages(const uint8_t *previous, const uint8_t *next, int pages, uint8_t *out, int capacity)',
      ),
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : error;
    console.error(`  skipped: C (needs gcc and npm install --prefix bench): ${reason}`);
    return undefined;
  }
}
