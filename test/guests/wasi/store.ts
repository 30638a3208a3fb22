import { setImmediate as turn } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import * as shim from '@bjorn3/browser_wasi_shim';
import { type MonotonicNow, type WasiGlue, wasiGlue } from '../../../src/guests/wasi/index.js';
import { type WasmGuest, wasmGuest } from '../../../src/guests/wasm/index.js';
import { instrument } from '../../../src/instrument/index.js';

/** What examples/wasi/store.ts exports. */
export interface StoreExports {
  readonly memory: WebAssembly.Memory;
  step(): void;
  getSteps(): number;
  getDigest(): number;
  /** Records that are not as they were written. */
  damaged(): number;
}

/** The shim with the store's files to be, as a host makes it at either end. */
export interface StoreHost {
  readonly wasi: shim.WASI;
  readonly root: shim.PreopenDirectory;
  readonly glue: WasiGlue;
}

export function hostStore(keys = 512, now?: MonotonicNow): StoreHost {
  const root = new shim.PreopenDirectory('/', new Map());
  const print = new shim.ConsoleStdout(() => {});
  const descriptors = [new shim.OpenFile(new shim.File([])), print, print, root];
  const args = ['store', 'log', 'journal', String(keys)];
  const wasi = new shim.WASI(args, [], descriptors, { debug: false });
  const clock = now === undefined ? {} : { now };
  return { wasi, root, glue: wasiGlue({ wasi, shim, host: { output: print }, ...clock }) };
}

let compiled: Promise<Uint8Array<ArrayBuffer>> | undefined;

/** The store's bytes, compiled once a process. */
export function compileStore(): Promise<Uint8Array<ArrayBuffer>> {
  compiled ??= import(pathToFileURL('examples/wasi/compile.mjs').href).then((compiler) =>
    compiler.compileStore(),
  );
  return compiled;
}

export interface StoreGuest extends StoreHost {
  readonly guest: WasmGuest;
  readonly store: StoreExports;
}

/** The store, working while it is resumed. */
export async function openStore(now?: () => bigint): Promise<StoreGuest> {
  const host = hostStore(512, now);
  const { wasm } = instrument(await compileStore());
  const { instance } = await WebAssembly.instantiate(wasm, {
    wasi_snapshot_preview1: host.glue.imports,
  });
  const store = instance.exports as WebAssembly.Exports & StoreExports;
  host.wasi.initialize({ exports: store });
  let shift = 0;
  let working = 0;
  const guest = await wasmGuest({
    module: wasm,
    instance,
    glue: host.glue,
    resume() {
      const mine = ++shift;
      working = mine;
      void (async () => {
        while (working === mine) {
          for (let step = 0; step < 8; step++) await guest.run(() => store.step());
          await turn();
        }
      })();
    },
    pause() {
      working = 0;
    },
  });
  return { ...host, guest, store };
}

/** A file of the store's. */
export function fileOf(host: Pick<StoreHost, 'root'>, name: string): Uint8Array {
  const file = host.root.dir.contents.get(name);
  if (file instanceof shim.File) return file.data;
  throw new Error(`the store has no ${name}`);
}

/** Imports that draw and tell the time as the journal has it. */
export function replayed(
  journal: Uint8Array,
  memory: () => WebAssembly.Memory,
): Record<'random_get' | 'clock_time_get', (...args: never[]) => number> {
  const from = new DataView(journal.buffer, journal.byteOffset);
  let entry = 0;
  const put = (at: number, value: bigint): number => {
    new DataView(memory().buffer).setBigUint64(at, value, true);
    return 0;
  };
  return {
    clock_time_get: (_clock: number, _precision: bigint, at: number) =>
      put(at, from.getBigUint64(entry, true)),
    random_get: (at: number) => {
      entry += 16;
      return put(at, from.getBigUint64(entry - 8, true));
    },
  };
}
