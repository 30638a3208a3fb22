import { readBlockType } from './block-type.js';
import { ByteReader } from './byte-reader.js';
import { readHeapType } from './heap-type.js';
import type { Body, FunctionType, WasmModule } from './module.js';
import {
  bases,
  immediates,
  immediatesOf,
  instructions,
  known,
  strangeInstruction,
} from './opcodes.js';
import { malformed, unsupported } from './refusals.js';
import { readValueType } from './value-types.js';

const noBlock: FunctionType = { params: [], results: [] };
/** Of a memory argument's alignment: a memory index follows. */
const memoryIndexBit = 0x40;

/** Reads the instructions of one body after another. What the last one was stands in its fields, until the next. */
export class InstructionReader {
  readonly #module: WasmModule;
  #reader: ByteReader;
  /** Where it begins. */
  start = 0;
  /** Its number in the table of instructions, and its entry there. */
  opcode = 0;
  entry = 0;
  /** Its first index, or its constant of 32 bits. */
  index = 0;
  /** The offset of a memory argument. */
  offset = 0;
  /** Of a block. */
  type: FunctionType = noBlock;

  constructor(module: WasmModule) {
    this.#module = module;
    this.#reader = new ByteReader(module.bytes, 0, 0);
  }

  /** Where the next instruction begins. */
  get end(): number {
    return this.#reader.at;
  }

  get isAtEnd(): boolean {
    return this.#reader.isAtEnd;
  }

  /** Goes to a body, behind its locals. Gives the number of those, parameters apart. */
  enter(body: Body): number {
    const reader = new ByteReader(this.#module.bytes, body.start, body.end);
    this.#reader = reader;
    let locals = 0;
    const groups = reader.count(2);
    for (let group = 0; group < groups; group++) {
      locals += reader.u32();
      readValueType(reader);
    }
    return locals;
  }

  next(): void {
    const reader = this.#reader;
    this.start = reader.at;
    let opcode = reader.byte();
    if (opcode >= 0xfb) opcode = this.#prefixed(opcode);
    const entry = instructions[opcode] ?? 0;
    if ((entry & known) === 0) throw this.#strange(opcode);
    this.opcode = opcode;
    this.entry = entry;
    // Most of all code.
    if (opcode === 0x20) {
      this.index = reader.u32();
      return;
    }
    switch (immediatesOf(entry)) {
      case immediates.none:
        return;
      case immediates.index:
        reader.u32();
        return;
      case immediates.indexPair:
        reader.u32();
        reader.u32();
        return;
      case immediates.s64:
        reader.skipS64();
        return;
      case immediates.bytes4:
        reader.skip(4);
        return;
      case immediates.bytes8:
        reader.skip(8);
        return;
      case immediates.bytes16:
        reader.skip(16);
        return;
      case immediates.lane:
        reader.byte();
        return;
      case immediates.memory:
        this.#memoryArgument();
        return;
      case immediates.memoryLane:
        this.#memoryArgument();
        reader.byte();
        return;
      case immediates.heapType:
        readHeapType(reader);
        return;
      default:
        if (opcode < bases.bulk) this.#special(opcode);
        else this.#bulk(opcode);
    }
  }

  #prefixed(prefix: number): number {
    const sub = this.#reader.u32();
    if (prefix === 0xfc && sub < bases.vector - bases.bulk) return bases.bulk + sub;
    if (prefix === 0xfd && sub < bases.atomic - bases.vector) return bases.vector + sub;
    if (prefix === 0xfe && sub < instructions.length - bases.atomic) return bases.atomic + sub;
    const what = strangeInstruction(prefix) ?? 'an unknown proposal';
    throw unsupported(`it uses ${what} (instruction 0x${prefix.toString(16)} ${sub})`);
  }

  #strange(opcode: number): Error {
    const { bulk, vector, atomic } = bases;
    const base = opcode >= atomic ? atomic : opcode >= vector ? vector : opcode >= bulk ? bulk : 0;
    const prefix =
      base === atomic ? '0xfe ' : base === vector ? '0xfd ' : base === bulk ? '0xfc ' : '';
    const what = strangeInstruction(opcode) ?? 'an unknown proposal';
    const said = `${prefix}0x${(opcode - base).toString(16)}`;
    return unsupported(`it uses ${what} (instruction ${said} at byte ${this.start})`);
  }

  #memoryArgument(): void {
    const reader = this.#reader;
    const alignment = reader.u32();
    if (alignment >= 32) {
      if (alignment & memoryIndexBit) throw unsupported('it has more than one memory');
      throw malformed('an alignment that is none', this.start);
    }
    this.offset = reader.u32();
  }

  #special(opcode: number): void {
    const reader = this.#reader;
    switch (opcode) {
      case 0x00: // unreachable
      case 0x05: // else
      case 0x0a: // throw_ref
      case 0x0b: // end
      case 0x0f: // return
      case 0x19: // catch_all
        return;
      case 0x02: // block
      case 0x03: // loop
      case 0x04: // if
      case 0x06: // try
        this.type = readBlockType(reader, this.#module.types);
        return;
      case 0x1f: // try_table
        this.type = readBlockType(reader, this.#module.types);
        this.#catches();
        return;
      case 0x0e: // br_table
        for (let count = reader.count(1) + 1; count > 0; count--) reader.u32();
        return;
      case 0x11: // call_indirect
      case 0x13: // return_call_indirect
        this.index = reader.u32();
        reader.u32();
        return;
      case 0x1c: // select of a type
        for (let count = reader.count(1); count > 0; count--) readValueType(reader);
        return;
      case 0x41: // i32.const
        this.index = reader.s32();
        return;
      case 0x3f: // memory.size
      case 0x40: // memory.grow
        this.#memoryIndex();
        return;
      default:
        this.index = reader.u32();
    }
  }

  /** What writes memory or drops a segment. */
  #bulk(opcode: number): void {
    const operation = opcode - bases.bulk;
    if (operation === 8 || operation === 9 || operation === 13) {
      this.index = this.#reader.u32();
    }
    // memory.init has one memory, memory.copy two, memory.fill one.
    if (operation === 8 || operation === 10 || operation === 11) this.#memoryIndex();
    if (operation === 10) this.#memoryIndex();
  }

  #memoryIndex(): void {
    if (this.#reader.u32() !== 0) throw unsupported('it has more than one memory');
  }

  #catches(): void {
    const reader = this.#reader;
    for (let count = reader.count(2); count > 0; count--) {
      const at = reader.at;
      const kind = reader.byte();
      if (kind > 3) throw malformed(`a catch of kind ${kind}`, at);
      if (kind < 2) reader.u32();
      reader.u32();
    }
  }
}
