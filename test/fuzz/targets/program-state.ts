import { joinParts } from '../../../src/guests/state-parts.js';
import { type WasmGuest, wasmGuest } from '../../../src/guests/wasm/wasm-guest.js';
import { instrument } from '../../../src/instrument/index.js';
import { assemble, i32, limits, text, types } from '../../instrument/assembler.js';
import type { Random } from '../../reference/random.js';
import { few, mutate } from '../mutate.js';
import { expectThat, refusal, type Target } from '../target.js';

const end = 0x0b;

/** A program with a global of each type, a table, and a segment that is dropped. */
const { wasm } = instrument(
  assemble({
    globals: [
      [types.i32, 1, ...i32(7), end],
      [types.i64, 1, 0x42, 1, end],
      [types.f64, 1, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, end],
      [types.v128, 1, 0xfd, 12, ...new Array<number>(16).fill(0), end],
      [types.funcref, 1, 0xd0, types.funcref, end],
    ],
    tables: [[types.funcref, ...limits(3, 8)]],
    elements: [[0, ...i32(0), end, 2, 0, 0]],
    data: [[1, ...text('passive')]],
    functions: [{ code: [0xfc, 9, 0], export: 'drop' }],
  }),
  { place: 'none' },
);

let guest: Promise<WasmGuest> | undefined;
const boot = (): Promise<WasmGuest> => wasmGuest({ module: wasm });

/** Texts of what nearly are the state of that program and the entries of its table. */
function someState(random: Random): { readonly head: string; readonly entries: string } {
  const pick = <T>(...items: readonly T[]): T | undefined => items[random.below(items.length)];
  /** Mostly as it should be. */
  const mostly = (right: string, ...wrong: readonly string[]): string =>
    (random.below(12) > 0 ? right : pick(...wrong)) ?? right;
  const number = mostly('3', '-5', '2147483648', '""', 'null', '1e400', '[]', '{}', '"9"', '1.5');
  const entry = (): string =>
    mostly(pick('0', 'null') ?? '0', '1', '-1', '"host"', '99999', '{}', '0.5');
  const hex = mostly(`"${'f'.repeat(32)}"`, '"7ff0000000000001"', `"${'0'.repeat(31)}"`, number);
  const count = random.below(8) > 0 ? 3 + random.below(6) : few(random, 12);
  const table = Array.from({ length: count }, entry).join(mostly(',', ']\n[', '\n'));
  const length = mostly(String(count), '3', '-1', '"3"');
  const globals = [`"${random.below(9)}"`, '"-1"', '"0000000000000000"', hex, entry()];
  const extra = pick('', '"__proto__": {"polluted": 1},', '"generation": 3,');
  const drops = mostly('false', 'true', '1');
  const registers = `{"globals":[${globals.join(',')}],"tables":[${length}],"drops":[${drops}]}`;
  return {
    head: `{${extra}"generation":${number},"registers":${registers}}`,
    entries: `[${table}]${mostly('\n', '  \n', '')}`,
  };
}

/** States of WebAssembly programs. Input: the state. What is taken must be what the program then says of itself. */
export const programState: Target = {
  name: 'program-state',
  make(random) {
    const { head, entries } = someState(random);
    const parts = [head, entries].map((part) =>
      mutate(random, new TextEncoder().encode(part), few(random, 1)),
    );
    return mutate(random, joinParts([...parts, new Uint8Array()]), few(random, 1));
  },
  async run(input) {
    guest ??= boot();
    const program = await guest;
    const before = await program.saveState();
    try {
      await program.loadState(input);
    } catch (error) {
      const after = await program.saveState();
      expectThat(Buffer.compare(before, after) === 0, 'something changed though it was refused');
      return refusal(error);
    }
    const said = await program.saveState();
    await program.loadState(said);
    expectThat(Buffer.compare(said, await program.saveState()) === 0, 'it is not what it says');
    expectThat(!('polluted' in {}), 'a prototype was written');
    // What a program dropped it has not back.
    guest = undefined;
    return 'taken';
  },
  reset() {
    guest = undefined;
  },
};
