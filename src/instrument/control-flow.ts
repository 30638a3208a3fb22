import type { InstructionReader } from './instruction-reader.js';
import type { FunctionType, WasmModule } from './module.js';
import type { OperandStack } from './operand-stack.js';
import { malformed } from './refusals.js';

const firstRoom = 64;
const kindsOfBlocks = { function: 0, block: 1, loop: 2, if: 3, else: 4, try: 5, catch: 6 } as const;

/** The blocks around an instruction, and what they leave on the stack. */
export class ControlFlow {
  readonly #stack: OperandStack;
  readonly #module: WasmModule;
  #kind = new Uint8Array(firstRoom);
  #height = new Int32Array(firstRoom);
  /** What whoever scans wants to be told again at the end of the block. */
  #noted = new Int32Array(firstRoom);
  #types: FunctionType[] = [];
  #depth = 0;
  /** Blocks within code that is never reached. */
  #deadBlocks = 0;
  /** Whether the instruction before never goes on to the next. */
  isDead = false;

  constructor(module: WasmModule, stack: OperandStack) {
    this.#module = module;
    this.#stack = stack;
  }

  /** Whether every block has ended, the function's own too. */
  get isAtEnd(): boolean {
    return this.#depth === 0;
  }

  enterFunction(type: FunctionType): void {
    this.#depth = 0;
    this.#deadBlocks = 0;
    this.isDead = false;
    this.#stack.height = 0;
    this.#push(kindsOfBlocks.function, { params: [], results: type.results }, 0);
  }

  /** A block begins: `block`, `loop`, `if`, `try` or `try_table`. */
  enter(opcode: number, type: FunctionType, end: number, note: number): void {
    const stack = this.#stack;
    if (opcode === 0x04) stack.drop(1);
    const { length } = type.params;
    if (stack.height - length < stack.floor) throw malformed('a block takes more than there is');
    if (opcode === 0x03) {
      stack.height -= length;
      stack.pushMany(length, end);
    }
    const kind =
      opcode === 0x03
        ? kindsOfBlocks.loop
        : opcode === 0x04
          ? kindsOfBlocks.if
          : opcode === 0x06
            ? kindsOfBlocks.try
            : kindsOfBlocks.block;
    this.#push(kind, type, note, length);
  }

  /** In code that is never reached: whether this block's beginning, middle or end brings nothing back to life. */
  staysDead(opcode: number): boolean {
    if (opcode === 0x0b || opcode === 0x18) {
      if (this.#deadBlocks === 0) return false;
      this.#deadBlocks--;
      return true;
    }
    const isMiddle = opcode === 0x05 || opcode === 0x07 || opcode === 0x19;
    if (isMiddle) return this.#deadBlocks > 0;
    const begins = (opcode >= 0x02 && opcode <= 0x04) || opcode === 0x06 || opcode === 0x1f;
    if (begins) this.#deadBlocks++;
    return true;
  }

  /** `else`, `catch` and `catch_all`. Gives the block's note. */
  middle(opcode: number, instruction: InstructionReader): number {
    const top = this.#depth - 1;
    const { params } = this.#finish();
    const stack = this.#stack;
    const kind = this.#kind[top];
    const { if: ifKind, else: elseKind, try: tryKind, catch: catchKind } = kindsOfBlocks;
    const fits = opcode === 0x05 ? kind === ifKind : kind === tryKind || kind === catchKind;
    if (!fits) throw malformed('half a block without its beginning', instruction.start);
    this.#kind[top] = opcode === 0x05 ? elseKind : catchKind;
    stack.height = this.#height[top] ?? 0;
    if (opcode === 0x05) stack.pushMany(params.length, instruction.end);
    if (opcode === 0x07) {
      const tag = this.#module.types[this.#module.tags[instruction.index] ?? -1];
      if (tag === undefined) throw malformed('an exception of no tag', instruction.start);
      stack.pushMany(tag.params.length, instruction.end);
    }
    return this.#noted[top] ?? 0;
  }

  /** `end` and `delegate`. Gives the block's note. */
  leave(end: number): number {
    const { results } = this.#finish();
    const top = --this.#depth;
    const stack = this.#stack;
    stack.height = this.#height[top] ?? 0;
    stack.floor = top === 0 ? 0 : (this.#height[top - 1] ?? 0);
    stack.pushMany(results.length, end);
    return this.#noted[top] ?? 0;
  }

  /** What the block at hand leaves must be there, and nothing else, unless its end is never reached. */
  #finish(): FunctionType {
    const top = this.#depth - 1;
    const type = this.#types[top];
    if (type === undefined) throw malformed('an end without a beginning');
    const expected = (this.#height[top] ?? 0) + type.results.length;
    if (!this.isDead && this.#stack.height !== expected) {
      throw malformed('a block that leaves more or less than it says');
    }
    this.isDead = false;
    return type;
  }

  #push(kind: number, type: FunctionType, note: number, taken = 0): void {
    const at = this.#depth++;
    if (at === this.#kind.length) this.#grow();
    this.#kind[at] = kind;
    this.#height[at] = this.#stack.height - taken;
    this.#noted[at] = note;
    this.#types[at] = type;
    this.#stack.floor = this.#stack.height - taken;
  }

  #grow(): void {
    const kind = new Uint8Array(2 * this.#kind.length);
    kind.set(this.#kind);
    this.#kind = kind;
    const height = new Int32Array(2 * this.#height.length);
    height.set(this.#height);
    this.#height = height;
    const noted = new Int32Array(2 * this.#noted.length);
    noted.set(this.#noted);
    this.#noted = noted;
  }
}
