import { instrument, readLayout } from '../../../src/instrument/index.js';
import {
  assemble,
  get,
  i32,
  limits,
  type ModuleSource,
  store8,
  text,
  types,
} from '../../instrument/assembler.js';
import { storeFunctions } from '../../instrument/store-module.js';
import type { Random } from '../../reference/random.js';
import { InputReader, InputWriter } from '../input.js';
import { few, mutate } from '../mutate.js';
import { expectThat, refusal, type Target } from '../target.js';

const places = ['behind-maximum', 'second-memory', 'none'] as const;
const starts = ['keep', 'strip'] as const;
const writer = new InputWriter();
const stores = storeFunctions();
/** A loop that stores along a line. */
const stride = [
  ...[0x03, 0x40, ...get(0), ...i32(1), ...store8(4), ...get(0), ...i32(4), 0x6a, 0x22, 0],
  ...[...get(2), 0x49, 0x0d, 0, 0x0b],
];

/** Modules that are nearly right. What is taken is valid where it was before. Input: u8 place, u8 whether it starts, the module. */
export const instrumentation: Target = {
  name: 'instrumentation',
  make(random) {
    writer.u8(random.below(places.length)).u8(random.below(starts.length));
    return writer.bytes(mutate(random, someModule(random), few(random, 4))).take();
  },
  run(input) {
    const reader = new InputReader(input);
    const place = places[reader.u8() % places.length] ?? 'none';
    const start = starts[reader.u8() % starts.length] ?? 'keep';
    const module = reader.rest().slice();
    const before = module.slice();
    try {
      const { wasm, report } = instrument(module, { place, start, maxPages: 4 });
      expectThat(readLayout(wasm)?.map.place === place, 'its layout cannot be read');
      expectThat(report.bytesAfter === wasm.length, 'the report has another length');
      // Where the engine does not know the module, or a second memory, nobody can tell.
      const canTell = place !== 'second-memory' || hasSecondMemory();
      if (canTell && WebAssembly.validate(module)) {
        expectThat(WebAssembly.validate(wasm), 'a valid module became an invalid one');
      }
    } catch (error) {
      const code = refusal(error);
      expectThat(code === 'ERR_GUEST' || code === 'ERR_UNSUPPORTED', `refused with ${code}`);
      return code;
    } finally {
      expectThat(Buffer.compare(module, before) === 0, 'the module was written to');
    }
    return 'taken';
  },
};

function hasSecondMemory(): boolean {
  return Number(process.versions.node.split('.')[0]) >= 22;
}

/** A few functions that write memory, and now and then some of everything else. */
function someModule(random: Random): Uint8Array {
  const maybe = <T>(value: T): T | undefined => (random.below(3) === 0 ? value : undefined);
  const functions = Array.from(
    { length: 1 + random.below(4) },
    () => stores[random.below(stores.length)] ?? { code: [] },
  );
  const params = [types.i32, types.i64];
  const source: ModuleSource = {
    blockTypes: [{ params: [], results: [types.i32, types.i32] }],
    memory: limits(1, 1 + random.below(9)),
    functions: [...functions, { params, locals: [types.i32], code: stride }].map((one, index) => ({
      ...one,
      export: `f${index}`,
    })),
    globals:
      maybe([
        [types.i32, 1, ...i32(7), 0x0b],
        [types.v128, 1, 0xfd, 12, ...zeros, 0x0b],
      ]) ?? [],
    tables: maybe([[types.funcref, ...limits(3)]]) ?? [],
    elements: maybe([[3, 0, 1, 0]]) ?? [],
    imports: maybe([[...text('e'), ...text('g'), 3, types.i32, 1]]) ?? [],
    data: [[1, 16, ...zeros]],
    customs: maybe([['name', [0, 2, 1, 65]] as const]) ?? [],
  };
  return assemble(source);
}

const zeros: readonly number[] = Array.from({ length: 16 }, () => 0);
