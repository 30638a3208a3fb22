/**
 * Every instruction that is known: what it takes from the stack, what it puts there, and what follows it in the code (core specification,
 * 5.4 and 7.8; the proposals for threads, exception handling, tail calls and relaxed SIMD). Instructions have one number: the opcode, or
 * one of the bases below plus what stands behind the prefix.
 */
export const bases = { bulk: 0x100, vector: 0x200, atomic: 0x400 } as const;
const all = 0x480;

/** What follows an instruction in the code. */
export const immediates = {
  none: 0,
  /** One index: of a local, global, table, tag, label, function or segment. */
  index: 1,
  indexPair: 2,
  s32: 3,
  s64: 4,
  bytes4: 5,
  bytes8: 6,
  bytes16: 7,
  lane: 8,
  memory: 9,
  memoryLane: 10,
  heapType: 11,
  /** Has a case of its own where instructions are read: blocks, calls, and whatever else has an effect of its own. */
  special: 12,
} as const;

/** An entry of `instructions`: known (bit 12), immediates (bits 6 to 11), values put (3 to 5) and values taken (0 to 2). */
export const known: number = 1 << 12;
export const takenOf = (entry: number): number => entry & 7;
export const putOf = (entry: number): number => (entry >> 3) & 7;
export const immediatesOf = (entry: number): number => (entry >> 6) & 63;

type Row = readonly [first: number, last: number, taken: number, put: number, follows: number];
const { none, index, indexPair, memory, memoryLane, lane, special } = immediates;

const plain: readonly Row[] = [
  // unreachable, nop
  [0x00, 0x00, 0, 0, special],
  [0x01, 0x01, 0, 0, none],
  // Blocks, legacy exceptions, branches, return, calls
  [0x02, 0x13, 0, 0, special],
  [0x18, 0x19, 0, 0, special],
  [0x1f, 0x1f, 0, 0, special],
  // drop, select, select with types
  [0x1a, 0x1a, 1, 0, none],
  [0x1b, 0x1b, 3, 1, none],
  [0x1c, 0x1c, 3, 1, special],
  // Locals; globals; tables
  [0x20, 0x22, 0, 0, special],
  [0x23, 0x23, 0, 1, index],
  [0x24, 0x24, 1, 0, index],
  [0x25, 0x25, 1, 1, index],
  [0x26, 0x26, 2, 0, index],
  // Loads; stores; memory.size and memory.grow
  [0x28, 0x35, 1, 1, memory],
  [0x36, 0x3e, 2, 0, memory],
  [0x3f, 0x40, 0, 0, special],
  [0x41, 0x41, 0, 0, special],
  [0x42, 0x42, 0, 1, immediates.s64],
  [0x43, 0x43, 0, 1, immediates.bytes4],
  [0x44, 0x44, 0, 1, immediates.bytes8],
  // Numbers: tests, comparisons and arithmetic, in the order of their types
  [0x45, 0x45, 1, 1, none],
  [0x46, 0x4f, 2, 1, none],
  [0x50, 0x50, 1, 1, none],
  [0x51, 0x66, 2, 1, none],
  [0x67, 0x69, 1, 1, none],
  [0x6a, 0x78, 2, 1, none],
  [0x79, 0x7b, 1, 1, none],
  [0x7c, 0x8a, 2, 1, none],
  [0x8b, 0x91, 1, 1, none],
  [0x92, 0x98, 2, 1, none],
  [0x99, 0x9f, 1, 1, none],
  [0xa0, 0xa6, 2, 1, none],
  [0xa7, 0xc4, 1, 1, none],
  // ref.null, ref.is_null, ref.func
  [0xd0, 0xd0, 0, 1, immediates.heapType],
  [0xd1, 0xd1, 1, 1, none],
  [0xd2, 0xd2, 0, 1, special],
];

const bulk: readonly Row[] = [
  // Saturating conversions
  [0, 7, 1, 1, none],
  // memory.init, data.drop, memory.copy, memory.fill
  [8, 11, 0, 0, special],
  // table.init, elem.drop, table.copy, table.grow, table.size, table.fill
  [12, 12, 3, 0, indexPair],
  [13, 13, 0, 0, special],
  [14, 14, 3, 0, indexPair],
  [15, 15, 2, 1, index],
  [16, 16, 0, 1, index],
  [17, 17, 3, 0, index],
];

const unary = (first: number, last: number): Row => [first, last, 1, 1, none];
const binary = (first: number, last: number): Row => [first, last, 2, 1, none];
const ternary = (first: number, last: number): Row => [first, last, 3, 1, none];

const vector: readonly Row[] = [
  [0, 10, 1, 1, memory],
  [11, 11, 2, 0, memory],
  [12, 12, 0, 1, immediates.bytes16],
  [13, 13, 2, 1, immediates.bytes16],
  binary(14, 14),
  unary(15, 20),
  // extract_lane and replace_lane
  [21, 22, 1, 1, lane],
  [23, 23, 2, 1, lane],
  [24, 25, 1, 1, lane],
  [26, 26, 2, 1, lane],
  [27, 27, 1, 1, lane],
  [28, 28, 2, 1, lane],
  [29, 29, 1, 1, lane],
  [30, 30, 2, 1, lane],
  [31, 31, 1, 1, lane],
  [32, 32, 2, 1, lane],
  [33, 33, 1, 1, lane],
  [34, 34, 2, 1, lane],
  binary(35, 76),
  unary(77, 77),
  binary(78, 81),
  ternary(82, 82),
  unary(83, 83),
  // Loads and stores of a lane; loads of 32 and 64 bits
  [84, 87, 2, 1, memoryLane],
  [88, 91, 2, 0, memoryLane],
  [92, 93, 1, 1, memory],
  unary(94, 100),
  binary(101, 102),
  unary(103, 106),
  binary(107, 115),
  unary(116, 117),
  binary(118, 121),
  unary(122, 122),
  binary(123, 123),
  unary(124, 129),
  binary(130, 130),
  unary(131, 132),
  binary(133, 134),
  unary(135, 138),
  binary(139, 147),
  unary(148, 148),
  binary(149, 153),
  binary(155, 159),
  unary(160, 161),
  unary(163, 164),
  unary(167, 170),
  binary(171, 174),
  binary(177, 177),
  binary(181, 186),
  binary(188, 191),
  unary(192, 193),
  unary(195, 196),
  unary(199, 202),
  binary(203, 206),
  binary(209, 209),
  binary(213, 223),
  unary(224, 225),
  unary(227, 227),
  binary(228, 235),
  unary(236, 237),
  unary(239, 239),
  binary(240, 247),
  unary(248, 255),
  // Relaxed
  binary(0x100, 0x100),
  unary(0x101, 0x104),
  ternary(0x105, 0x10c),
  binary(0x10d, 0x112),
  ternary(0x113, 0x113),
];

const atomic: readonly Row[] = [
  // notify, wait32, wait64, fence
  [0, 0, 2, 1, memory],
  [1, 2, 3, 1, memory],
  [3, 3, 0, 0, lane],
  // Loads, stores, read-modify-write, compare and exchange
  [0x10, 0x16, 1, 1, memory],
  [0x17, 0x1d, 2, 0, memory],
  [0x1e, 0x47, 2, 1, memory],
  [0x48, 0x4e, 3, 1, memory],
];

export const instructions: Uint16Array = new Uint16Array(all);
for (const [base, rows] of [
  [0, plain],
  [bases.bulk, bulk],
  [bases.vector, vector],
  [bases.atomic, atomic],
] as const) {
  for (const [first, last, taken, put, follows] of rows) {
    instructions.fill(known | (follows << 6) | (put << 3) | taken, base + first, base + last + 1);
  }
}

/** What an instruction that is not known belongs to; undefined where nothing does. `prefix` and `opcode` as in the code. */
export function strangeInstruction(opcode: number): string | undefined {
  if (opcode === 0xfb) return 'GC';
  if (opcode === 0x14 || opcode === 0x15 || (opcode >= 0xd3 && opcode <= 0xd6)) {
    return 'typed references';
  }
  if (opcode >= 0xe0 && opcode <= 0xe6) return 'stack switching';
  return undefined;
}
