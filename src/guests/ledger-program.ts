import { PAGE_BYTES } from '../memory/pages.js';
import { ledgerBase64 } from './ledger-program.wasm.js';

/** What assembly/ledger.ts exports. Pages are 4096 bytes; counts and digests are u32 and come back signed. */
interface LedgerExports {
  attach(maxPages: number): void;
  init(
    seed: number,
    initialPages: number,
    maxPages: number,
    growthInterval: number,
    growthPages: number,
  ): void;
  transact(): void;
  restore(seq: number, digest: number, random: number, pages: number): void;
  agrees(): number;
  getSeq(): number;
  getDigest(): number;
  getRandom(): number;
  getPages(): number;
}

/** An instance of the ledger and its memory: `maxPages` pages, then one dirty bit for each of them. */
export interface LedgerProgram extends LedgerExports {
  readonly memory: WebAssembly.Memory;
  /** Byte address of the dirty bitmap: bit p of it, little-endian, is page p. */
  readonly bitmapAddress: number;
}

/** The memory, its bitmap and wasm32's 4 GiB decide. */
export const maxLedgerPages: number = 2 ** 20 - 32;

const wasmPageBytes = 65536;

/** Instantiates the program over zeroed memory. Takes address space for `maxPages`; pages never touched cost nothing. */
export function instantiateLedger(maxPages: number): LedgerProgram {
  const bitmapAddress = maxPages * PAGE_BYTES;
  // The bitmap is read in words of 32 bits.
  const bytes = bitmapAddress + Math.ceil(maxPages / 32) * 4;
  const wasmPages = Math.ceil(bytes / wasmPageBytes);
  const memory = new WebAssembly.Memory({ initial: wasmPages, maximum: wasmPages });
  const module = new WebAssembly.Module(Buffer.from(ledgerBase64, 'base64'));
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const program = { ...(exports as WebAssembly.Exports & LedgerExports), memory, bitmapAddress };
  program.attach(maxPages);
  return program;
}
