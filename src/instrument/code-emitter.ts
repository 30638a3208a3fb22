import type { ByteWriter } from './byte-writer.js';
import { editKinds } from './edits.js';
import { type FunctionScanner, mostLocals } from './function-scanner.js';
import { constantAddress, takenAway } from './mark-groups.js';
import type { Body } from './module.js';
import { unsupported } from './refusals.js';
import { stores } from './stores.js';
import type { Stride } from './strides.js';
import { valueTypes } from './value-types.js';

/** Instructions that are put into code. */
export const op = {
  if: 0x04,
  return: 0x0f,
  end: 0x0b,
  call: 0x10,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  globalGet: 0x23,
  globalSet: 0x24,
  store8: 0x3a,
  i32Const: 0x41,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32GtU: 0x4b,
  i32ShrU: 0x76,
} as const;
/** An address to its page. */
export const pageShift = 12;
export const emptyBlock = 0x40;

/** What V8 takes of one function. */
const mostBodyBytes = 7_654_321;
const bulkOperandTypes = [valueTypes.i32, valueTypes.i32];

/** Numbers of what was added to the module. */
export interface AddedIndices {
  /** The memory that has the map, and where in it that begins. */
  readonly mapMemory: number;
  readonly mapOffset: number;
  readonly markRange: number;
  /** What a loop will write, by what it goes on. */
  readonly markBelow: number;
  readonly markUnequal: number;
  readonly grow: number;
  readonly size: number;
  /** The global that says whether a segment was dropped: the first of them. */
  readonly firstDrop: number;
}

/** Writes functions as a scanner says. */
export class CodeEmitter {
  readonly #scanner: FunctionScanner;
  readonly #added: AddedIndices;
  /** Locals that keep what a spilled store takes: by type, in the order they were needed. */
  readonly #spills = new Map<number, number[]>();

  constructor(scanner: FunctionScanner, added: AddedIndices) {
    this.#scanner = scanner;
    this.#added = added;
  }

  /** The body that the scanner has just scanned, without its length. */
  emit(bytes: Uint8Array, body: Body, out: ByteWriter): void {
    const { edits } = this.#scanner;
    this.#locals(bytes, body, out);
    let from = this.#scanner.codeStart;
    for (let index = 0; index < edits.count; index++) {
      const at = edits.at[index] ?? 0;
      out.copy(bytes, from, at);
      this.#edit(edits.kind[index] ?? 0, edits.first[index] ?? 0, edits.second[index] ?? 0, out);
      from = edits.to[index] ?? 0;
    }
    out.copy(bytes, from, body.end);
    if (out.length > mostBodyBytes)
      throw unsupported('a function becomes longer than engines take');
  }

  #locals(bytes: Uint8Array, body: Body, out: ByteWriter): void {
    const { temporaries, spilled, locals, codeStart } = this.#scanner;
    const types = spillTypes(spilled);
    const groups = (temporaries.count > 0 ? 1 : 0) + types.length;
    if (groups === 0) {
      out.copy(bytes, body.start, codeStart);
      return;
    }
    let next = locals + temporaries.count;
    if (next + types.length > mostLocals) throw unsupported('a function has too many locals');
    const [count, entries] = readU32(bytes, body.start);
    out.u32(count + groups);
    out.copy(bytes, entries, codeStart);
    if (temporaries.count > 0) {
      out.u32(temporaries.count);
      out.byte(valueTypes.i32);
    }
    this.#spills.clear();
    for (const type of types) {
      out.u32(1);
      out.byte(type);
      const same = this.#spills.get(type) ?? [];
      same.push(next++);
      this.#spills.set(type, same);
    }
  }

  #edit(kind: number, first: number, second: number, out: ByteWriter): void {
    const added = this.#added;
    switch (kind) {
      case editKinds.mark:
        this.#mark(first, out);
        return;
      case editKinds.markRange:
      case editKinds.markRangeFirst:
        withIndex(out, op.localGet, first);
        withIndex(out, op.localGet, second);
        withIndex(out, op.call, added.markRange);
        return;
      case editKinds.stride:
        this.#stride(this.#scanner.strides[first], out);
        return;
      case editKinds.tee:
        withIndex(out, op.localTee, first);
        return;
      case editKinds.spill:
        this.#spill(first, second, out);
        return;
      case editKinds.size:
        withIndex(out, op.globalGet, added.size);
        return;
      case editKinds.grow:
        withIndex(out, op.call, added.grow);
        return;
      default:
        constant(out, 1);
        withIndex(out, op.globalSet, added.firstDrop + first);
    }
  }

  #mark(group: number, out: ByteWriter): void {
    const { groups } = this.#scanner;
    const local = groups.localOf(group);
    if (local === takenAway) return;
    let { mapOffset } = this.#added;
    if (local === constantAddress) {
      constant(out, 0);
      mapOffset += groups.pageOf(group);
    } else {
      const offset = groups.offsetOf(group);
      withIndex(out, op.localGet, local);
      if (offset !== 0) {
        constant(out, offset);
        out.byte(op.i32Add);
      }
      constant(out, pageShift);
      out.byte(op.i32ShrU);
    }
    constant(out, 1);
    out.byte(op.store8);
    memoryArgument(out, this.#added.mapMemory, mapOffset);
  }

  /** Calls what marks all that a loop will write. */
  #stride(stride: Stride | undefined, out: ByteWriter): void {
    if (stride === undefined) return;
    const { local, until, step, low, high } = stride;
    withIndex(out, op.localGet, local);
    if ('local' in until) withIndex(out, op.localGet, until.local);
    else constant(out, until.constant);
    for (const value of [step, low, high]) constant(out, value);
    const { markBelow, markUnequal } = this.#added;
    withIndex(out, op.call, stride.while === 'below' ? markBelow : markUnequal);
  }

  /** All that a store takes goes to locals and back; its address stays in one. */
  #spill(address: number, opcode: number, out: ByteWriter): void {
    const taken = new Map<number, number>();
    const locals = operandTypes(opcode).map((type) => {
      const index = taken.get(type) ?? 0;
      taken.set(type, index + 1);
      return this.#spills.get(type)?.[index] ?? 0;
    });
    for (const local of locals.toReversed()) withIndex(out, op.localSet, local);
    withIndex(out, op.localTee, address);
    for (const local of locals) withIndex(out, op.localGet, local);
  }
}

export function withIndex(out: ByteWriter, opcode: number, index: number): void {
  out.byte(opcode);
  out.u32(index);
}

export function constant(out: ByteWriter, value: number): void {
  out.byte(op.i32Const);
  out.s32(value);
}

export function memoryArgument(out: ByteWriter, memory: number, offset: number): void {
  if (memory === 0) {
    out.byte(0);
  } else {
    out.byte(0x40);
    out.u32(memory);
  }
  out.u32(offset);
}

function operandTypes(opcode: number): readonly number[] {
  return stores.get(opcode)?.operands ?? bulkOperandTypes;
}

/** The types of as many locals as any of the stores needs. */
function spillTypes(spilled: ReadonlySet<number>): number[] {
  const most = new Map<number, number>();
  for (const opcode of spilled) {
    const types = operandTypes(opcode);
    for (const type of types) {
      const count = types.filter((other) => other === type).length;
      most.set(type, Math.max(most.get(type) ?? 0, count));
    }
  }
  return [...most].flatMap(([type, count]) => Array.from({ length: count }, () => type));
}

/** A number that was read before, and where it ends. */
function readU32(bytes: Uint8Array, from: number): [value: number, end: number] {
  let at = from;
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++] ?? 0;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return [value, at];
  }
}
