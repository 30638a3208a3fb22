import {
  assemble,
  type Bytes,
  type FunctionSource,
  get,
  i32,
  limits,
  set,
  tee,
  types,
  u32,
} from './assembler.js';

/** A function that writes memory: at its first parameter, what its second says. */
export interface StoreFunction {
  readonly name: string;
  /** Its address must be a multiple of this. */
  readonly alignment: number;
  /** Of bulk operations: at most so many bytes are written. */
  readonly mostBytes: number;
}

const { i64, v128 } = types;
/** Addresses as programs make them; parameters are an i32 and an i64, locals an i32. */
const addresses: readonly (readonly [name: string, code: Bytes, spilled?: boolean])[] = [
  ['a parameter', get(0)],
  ['a sum', [...get(0), ...i32(0), 0x6a]],
  ['a local set twice', [...get(0), ...get(0), ...set(2)]],
  ['what a tee left', [...get(0), ...tee(2)]],
  // block (result i32 i32): of two results only the last is ever on top.
  ['one of two results', [0x02, 0, ...get(0), ...get(0), 0x0b, 0x1a]],
  ['spilled', [0x02, 0, ...get(0), ...get(1), 0xa7, 0x0b], true],
];
/** The last is behind what a mark of its base's page covers. */
const offsets = [0, 1, 12, 113, 127, 4095, 5000];
const alignedOffsets = [0, 8, 112, 120, 4088, 5000];

const asI32: Bytes = [...get(1), 0xa7];
const values: Readonly<Record<number, Bytes>> = {
  [types.i32]: asI32,
  [types.i64]: get(1),
  [types.f32]: [...asI32, 0xbe],
  [types.f64]: [...get(1), 0xbf],
  [types.v128]: [...get(1), 0xfd, 0x12],
};

interface Instruction {
  readonly name: string;
  readonly code: Bytes;
  /** Alignment, and what follows the memory argument. */
  readonly align: number;
  readonly after?: Bytes;
  readonly operands: Bytes;
  readonly gives?: boolean;
}

/** Widths in the order of the binary format: bytes as a power of two, and the type. */
const widths = [
  [2, types.i32],
  [3, i64],
  [0, types.i32],
  [1, types.i32],
  [0, i64],
  [1, i64],
  [2, i64],
] as const;

/** Every instruction that stores at an address and an offset. */
export const storeInstructions: readonly Instruction[] = [
  ...(
    [
      [types.i32, 2],
      [i64, 3],
      [types.f32, 2],
      [types.f64, 3],
      [types.i32, 0],
      [types.i32, 1],
      [i64, 0],
      [i64, 1],
      [i64, 2],
    ] as const
  ).map(([type], index) => ({
    name: `store 0x${(0x36 + index).toString(16)}`,
    code: [0x36 + index],
    align: 0,
    operands: [type],
  })),
  { name: 'v128.store', code: [0xfd, 11], align: 0, operands: [v128] },
  ...[1, 1, 1, 1].map((after, index) => ({
    name: `v128.store${8 << index}_lane`,
    code: [0xfd, 88 + index],
    align: 0,
    after: [after],
    operands: [v128],
  })),
  ...Array.from({ length: 0x4f - 0x17 }, (_, index) => {
    const [align, type] = widths[index % widths.length] ?? [0, i64];
    const opcode = 0x17 + index;
    const operands = opcode >= 0x48 ? [type, type] : [type];
    const gives = opcode >= 0x1e;
    return {
      name: `atomic 0x${opcode.toString(16)}`,
      code: [0xfe, ...u32(opcode)],
      align,
      operands,
      gives,
    };
  }),
];

export function storeFunctions(): (FunctionSource & StoreFunction)[] {
  const list: (FunctionSource & StoreFunction)[] = [];
  const add = (name: string, code: Bytes, alignment: number, mostBytes = 16): void => {
    const params = [types.i32, i64];
    list.push({ name, alignment, mostBytes, params, locals: [types.i32], code, export: name });
  };
  for (const { name, code, align, after = [], operands, gives } of storeInstructions) {
    const isAtomic = code[0] === 0xfe;
    for (const [addressName, address, spilled] of addresses) {
      for (const offset of isAtomic ? alignedOffsets : offsets) {
        // What was on top below the value is the value itself, where it is an i32.
        const operandCode = operands.flatMap((type, index) =>
          spilled === true && index === 0 ? converted(type) : (values[type] ?? []),
        );
        const instruction = [...code, align, ...u32(offset), ...after, ...(gives ? [0x1a] : [])];
        add(
          `${name} ${offset} at ${addressName}`,
          [...address, ...operandCode, ...instruction],
          1 << align,
        );
      }
    }
  }
  const length: Bytes = [...asI32, ...i32(16_383), 0x71];
  for (const [addressName, address] of addresses.slice(0, 5)) {
    for (const [of, count] of [
      ['', length],
      [' 100', i32(100)],
      [' 0', i32(0)],
      [' 9000', i32(9000)],
    ] as const) {
      const source: Bytes = [...get(1), ...[0x42, 20, 0x88], 0xa7, ...i32(0x7ffff), 0x71];
      add(`fill${of} at ${addressName}`, [...address, ...asI32, ...count, 0xfc, 11, 0], 1, 16_383);
      add(
        `copy${of} at ${addressName}`,
        [...address, ...source, ...count, 0xfc, 10, 0, 0],
        1,
        16_383,
      );
    }
    const some: Bytes = [...asI32, ...i32(7), 0x71];
    add(`init at ${addressName}`, [...address, ...i32(3), ...some, 0xfc, 8, 0, 0], 1);
    add(`init 7 at ${addressName}`, [...address, ...i32(3), ...i32(7), 0xfc, 8, 0, 0], 1);
  }
  // Both operands in one go: neither address nor source is ever alone on top.
  add('fill spilled', [0x02, 0, ...get(0), ...asI32, 0x0b, ...length, 0xfc, 11, 0], 1, 16_383);
  return list;
}

/** The i32 on top, as a value of `type`. */
function converted(type: number): Bytes {
  const conversions: Readonly<Record<number, Bytes>> = {
    [types.i32]: [],
    [types.i64]: [0xad],
    [types.f32]: [0xb2],
    [types.f64]: [0xb7],
    [types.v128]: [0xfd, 0x11],
  };
  return conversions[type] ?? [];
}

/** A module with every instruction that writes memory, at every kind of address; `shared` or not. */
export function storeModule(
  pages: number,
  shared: boolean,
): { wasm: Uint8Array<ArrayBuffer>; functions: readonly StoreFunction[] } {
  const functions = storeFunctions();
  const wasm = assemble({
    blockTypes: [{ params: [], results: [types.i32, types.i32] }],
    memory: limits(pages, pages + 32, shared),
    functions,
    data: [[1, ...u32(16), ...Array.from({ length: 16 }, (_, index) => 48 + index)]],
  });
  return { wasm, functions };
}
