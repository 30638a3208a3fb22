import { setImmediate as turn } from 'node:timers/promises';
import { compileGarden } from '../../../examples/lib/garden.mjs';
import {
  type WasmGuest,
  type WasmGuestOptions,
  wasmGuest,
} from '../../../src/guests/wasm/wasm-guest.js';
import { type InstrumentOptions, instrument } from '../../../src/instrument/index.js';

export interface GardenExports {
  step(): void;
  stepsDone(): number;
  sum(): bigint;
  reseed(seed: number): void;
  readonly memory: WebAssembly.Memory;
}

export interface Garden {
  readonly guest: WasmGuest;
  /** Past the gate. */
  readonly exports: GardenExports;
}

let compiled: Promise<Uint8Array> | undefined;

/** The program as a compiler made it. */
export function gardenBytes(): Promise<Uint8Array> {
  compiled ??= compileGarden();
  return compiled;
}

/** An instance of it that works while it is resumed, as a guest. */
export async function plantGarden(
  options: Partial<WasmGuestOptions> = {},
  how: InstrumentOptions = {},
): Promise<Garden> {
  const { wasm } = instrument(await gardenBytes(), how);
  const { instance } = await WebAssembly.instantiate(wasm, { env: { abort() {} } });
  const exports = instance.exports as unknown as GardenExports;
  let working = 0;
  const guest = await wasmGuest({
    module: wasm,
    instance,
    resume() {
      const shift = ++working;
      void (async () => {
        while (working === shift) {
          await guest.run(() => exports.step());
          await turn();
        }
      })();
    },
    pause() {
      working = 0;
    },
    ...options,
  });
  return { guest, exports };
}

/** What an instance that never moved holds after so many steps. */
export async function sumAfter(steps: number): Promise<bigint> {
  const { instance } = await WebAssembly.instantiate(Uint8Array.from(await gardenBytes()), {
    env: { abort() {} },
  });
  const exports = instance.exports as unknown as GardenExports;
  for (let step = 0; step < steps; step++) exports.step();
  return exports.sum();
}
