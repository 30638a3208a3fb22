import { ControlFlow } from './control-flow.js';
import { Edits, editKinds } from './edits.js';
import type { Findings } from './findings.js';
import { InstructionReader } from './instruction-reader.js';
import { constantAddress, MarkGroups } from './mark-groups.js';
import type { Body, FunctionType, WasmModule } from './module.js';
import { bases, immediates, immediatesOf, putOf, takenOf } from './opcodes.js';
import { OperandStack, origins } from './operand-stack.js';
import { malformed } from './refusals.js';
import { type Store, stores } from './stores.js';
import { type Stride, StrideFinder } from './strides.js';
import { Temporaries } from './temporaries.js';

/** More locals than engines take. */
export const mostLocals = 50_000;
const pageBytes = 4096;
const addressSpace = 2 ** 32;
const dataDrop = bases.bulk + 9;
const elemDrop = bases.bulk + 13;
const memoryInit = bases.bulk + 8;
/** Of a block, a loop or a function. */
const endOpcode = 0x0b;
const bulkOperands = 3;

export interface ScanOptions {
  readonly headBytes: number;
  /** Whether stores may share marks: only where no other thread sees the memory. */
  readonly merges: boolean;
  /** Whether stores are marked at all. */
  readonly marks: boolean;
  /** Whether memory.size and memory.grow go by a size of our own. */
  readonly virtualSize: boolean;
}

/** Goes through functions one by one and says how each is to be changed. What it said holds until the next. */
export class FunctionScanner {
  readonly #module: WasmModule;
  readonly #findings: Findings;
  readonly #marks: boolean;
  readonly #virtualSize: boolean;
  readonly #merges: boolean;
  readonly #instruction: InstructionReader;
  readonly #stack = new OperandStack();
  readonly #flow: ControlFlow;
  readonly #loop = new StrideFinder();
  /** Which of its values each local has, in the order of the code. */
  readonly #versions = new Int32Array(mostLocals);
  #lastVersion = 0;
  readonly edits: Edits = new Edits();
  readonly groups: MarkGroups;
  readonly temporaries: Temporaries = new Temporaries();
  /** Loops whose marks stand before them. */
  readonly strides: Stride[] = [];
  /** Opcodes of stores that keep all they take in locals. */
  readonly spilled: Set<number> = new Set();
  /** Where its code begins, behind its locals; how many those are, parameters too. */
  codeStart = 0;
  locals = 0;

  constructor(module: WasmModule, findings: Findings, options: ScanOptions) {
    this.#module = module;
    this.#findings = findings;
    this.#marks = options.marks;
    this.#virtualSize = options.virtualSize;
    this.#merges = options.merges;
    this.#instruction = new InstructionReader(module);
    this.#flow = new ControlFlow(module, this.#stack);
    this.groups = new MarkGroups(options.headBytes, options.merges);
  }

  scan(body: Body, type: FunctionType): void {
    const instruction = this.#instruction;
    this.locals = type.params.length + instruction.enter(body);
    if (this.locals > mostLocals)
      throw malformed('a function with more than 50000 locals', body.start);
    this.codeStart = instruction.end;
    this.edits.clear();
    this.groups.clear();
    this.temporaries.clear();
    this.spilled.clear();
    this.strides.length = 0;
    this.#loop.isActive = false;
    this.#versions.fill(0, 0, this.locals);
    this.#lastVersion = 0;
    this.#flow.enterFunction(type);
    while (!this.#flow.isAtEnd) {
      instruction.next();
      if (this.#flow.isDead && this.#flow.staysDead(instruction.opcode)) continue;
      this.#step(instruction.opcode);
    }
    if (!instruction.isAtEnd) throw malformed('code behind the end of a function', instruction.end);
  }

  #step(opcode: number): void {
    const { entry } = this.#instruction;
    const follows = immediatesOf(entry);
    if (follows === immediates.special) {
      if (opcode < bases.bulk) this.#special(opcode);
      else this.#prefixed(opcode);
      return;
    }
    if (follows === immediates.memory || follows === immediates.memoryLane) {
      const store = stores.get(opcode);
      if (store !== undefined) this.#store(opcode, store);
    }
    if (this.#loop.isActive && takenOf(entry) === 2) {
      this.#loop.operate(opcode, this.#instruction.end, this.#stack);
    }
    this.#stack.drop(takenOf(entry));
    if (putOf(entry) === 1) this.#stack.push(this.#instruction.end);
  }

  #special(opcode: number): void {
    const instruction = this.#instruction;
    const { index, end } = instruction;
    const stack = this.#stack;
    switch (opcode) {
      case 0x20: // local.get
        this.#checkLocal(index);
        stack.push(end, index, this.#versions[index] ?? 0);
        return;
      case 0x21: // local.set
      case 0x22: // local.tee
        this.#checkLocal(index);
        if (this.#loop.isActive) {
          const from = this.#versions[index] ?? 0;
          this.#loop.assign(index, from, this.#lastVersion + 1, stack.madeAt(0));
        }
        stack.drop(1);
        this.#versions[index] = ++this.#lastVersion;
        if (opcode === 0x22) stack.push(end, index, this.#lastVersion);
        return;
      case 0x41: // i32.const
        stack.push(end, origins.constant, index);
        return;
      case 0x1c: // select of a type
        stack.drop(3);
        stack.push(end);
        return;
      case 0x03: // loop
        this.#flow.enter(opcode, instruction.type, end, this.groups.opened);
        this.groups.close();
        if (this.#merges) this.#loop.begin(instruction.start, this.#lastVersion, this.groups.count);
        return;
      case 0x02: // block
      case 0x04: // if
      case 0x06: // try
      case 0x1f: // try_table
        this.#loop.isActive = false;
        this.#flow.enter(opcode, instruction.type, end, this.groups.opened);
        return;
      case 0x05: // else
      case 0x07: // catch
      case 0x19: // catch_all
        this.#loop.isActive = false;
        this.groups.closeSince(this.#flow.middle(opcode, instruction));
        return;
      case 0x0b: // end
      case 0x18: // delegate
        this.#loop.isActive = false;
        this.groups.closeSince(this.#flow.leave(end));
        return;
      case 0x0d: // br_if
        if (this.#loop.isActive) this.#endLoop(index);
        stack.drop(1);
        return;
      case 0x00: // unreachable
      case 0x08: // throw
      case 0x09: // rethrow
      case 0x0a: // throw_ref
      case 0x0c: // br
      case 0x0e: // br_table
      case 0x0f: // return
      case 0x12: // return_call
      case 0x13: // return_call_indirect
        this.#loop.isActive = false;
        this.#flow.isDead = true;
        return;
      case 0x10: // call
        this.#call(this.#module.functions[index], 0);
        return;
      case 0x11: // call_indirect
        this.#call(index, 1);
        return;
      case 0xd2: // ref.func
        if (index >= this.#module.functions.length) throw malformed('no such function', end);
        this.#findings.referenced.add(index);
        stack.push(end);
        return;
      case 0x3f: // memory.size
        this.#replace(editKinds.size);
        stack.push(end);
        return;
      case 0x40: // memory.grow
        this.#loop.isActive = false;
        this.#replace(editKinds.grow);
        stack.drop(1);
        stack.push(end);
        return;
    }
  }

  /** What begins with a prefix. */
  #prefixed(opcode: number): void {
    if (opcode === dataDrop) this.#drop('data', this.#module.dataSegments);
    else if (opcode === elemDrop) this.#drop('elem', this.#module.elementSegments);
    else this.#bulk(opcode);
  }

  #checkLocal(index: number): void {
    if (index >= this.locals)
      throw malformed(`there is no local ${index}`, this.#instruction.start);
  }

  #call(typeIndex: number | undefined, besides: number): void {
    const type = this.#module.types[typeIndex ?? -1];
    if (type === undefined) throw malformed('a call of nothing', this.#instruction.start);
    this.#stack.drop(type.params.length + besides);
    this.#stack.pushMany(type.results.length, this.#instruction.end);
    this.#loop.isActive = false;
    // The program may be suspended in there, and what is marked be looked at.
    this.groups.close();
  }

  /** A branch to `label`, if the value on top says so: the last of a loop that may be a stride. */
  #endLoop(label: number): void {
    const loop = this.#loop;
    loop.isActive = false;
    // Whatever stands behind the branch could go back too, past what is put before the loop.
    const isLast = this.#module.bytes[this.#instruction.end] === endOpcode;
    const found =
      label === 0 && isLast
        ? loop.end(this.#stack.madeAt(0), this.groups, this.#versions)
        : undefined;
    if (found === undefined) return;
    const number = this.strides.push(found.stride) - 1;
    this.edits.add(editKinds.stride, loop.start, loop.start, number);
    this.#findings.marks += 1 - found.replaced;
  }

  #replace(kind: number): void {
    const { start, end } = this.#instruction;
    if (this.#virtualSize) this.edits.add(kind, start, end, 0);
  }

  #drop(kind: 'data' | 'elem', segments: number): void {
    const { index, end } = this.#instruction;
    if (index >= segments) throw malformed(`there is no segment ${index} to drop`, end);
    this.edits.add(editKinds.dropped, end, end, this.#findings.dropNumber(kind, index));
  }

  #store(opcode: number, { bytes, operands, kind }: Store): void {
    this.#findings.stores++;
    if (kind === 'simd') this.#findings.simdStores++;
    if (kind === 'atomic') this.#findings.atomics++;
    this.#mark(opcode, operands.length, this.#instruction.offset, bytes);
  }

  /** memory.fill, memory.copy and memory.init: address, source or value, length. */
  #bulk(opcode: number): void {
    this.#findings.bulkOperations++;
    const { index, start, end } = this.#instruction;
    const stack = this.#stack;
    if (opcode === memoryInit && index >= this.#module.dataSegments) {
      throw malformed(`there is no data segment ${index}`, start);
    }
    stack.drop(bulkOperands);
    stack.height += bulkOperands;
    const length = stack.detailAt(0) >>> 0;
    const isConstant = stack.originAt(0) === origins.constant;
    if (isConstant && length <= this.groups.headBytes) {
      // No more than a store may write.
      if (length > 0) this.#mark(opcode, bulkOperands - 1, 0, length);
    } else {
      this.#markRange(opcode, start, end);
    }
    stack.drop(bulkOperands);
  }

  #markRange(opcode: number, start: number, end: number): void {
    if (!this.#marks) return;
    const made = this.#stack.madeAt(bulkOperands - 1);
    const free = made === -1 ? -1 : this.temporaries.free(made);
    const first = Math.max(0, free);
    this.temporaries.use(first + 1, end);
    const [address, length] = [this.locals + first, this.locals + first + 1];
    if (free === -1) {
      this.#spill(opcode, address);
    } else {
      this.edits.add(editKinds.tee, made, made, address);
    }
    this.edits.add(editKinds.tee, start, start, length);
    // A call may find no stack: behind the operation that would lose its mark. Where other threads look at the map a mark follows what was written.
    if (this.#merges) this.edits.add(editKinds.markRangeFirst, start, start, address, length);
    else this.edits.add(editKinds.markRange, end, end, address, length);
    this.#findings.marks++;
  }

  /** Marks `bytes` bytes at `offset` from the address that is `depth` below the top. */
  #mark(opcode: number, depth: number, offset: number, bytes: number): void {
    if (!this.#marks) return;
    const stack = this.#stack;
    const origin = stack.originAt(depth);
    const detail = stack.detailAt(depth);
    if (origin >= 0 && this.#versions[origin] === detail) {
      this.#markFrom(origin, detail, offset, bytes);
    } else if (origin === origins.constant) {
      const address = (detail >>> 0) + offset;
      // What lies beyond all memory traps.
      if (address + bytes > addressSpace) return;
      const page = Math.floor(address / pageBytes);
      this.#markFrom(constantAddress, page, address - page * pageBytes, bytes);
    } else {
      this.#markTemporary(opcode, stack.madeAt(depth), offset, bytes);
    }
  }

  #markFrom(local: number, detail: number, offset: number, bytes: number): void {
    if (this.groups.joins(local, detail, offset, bytes)) return;
    this.#addMark(this.groups.open(local, detail, offset, bytes, false));
  }

  #markTemporary(opcode: number, made: number, offset: number, bytes: number): void {
    const { end } = this.#instruction;
    const free = made === -1 ? -1 : this.temporaries.free(made);
    const temporary = Math.max(0, free);
    this.temporaries.use(temporary, end);
    const local = this.locals + temporary;
    if (free === -1) this.#spill(opcode, local);
    else this.edits.add(editKinds.tee, made, made, local);
    this.#addMark(this.groups.open(local, 0, offset, bytes, true));
  }

  #addMark(group: number): void {
    const { end } = this.#instruction;
    this.edits.add(editKinds.mark, end, end, group);
    this.#findings.marks++;
  }

  #spill(opcode: number, address: number): void {
    const { start } = this.#instruction;
    this.spilled.add(opcode);
    this.edits.add(editKinds.spill, start, start, address, opcode);
  }
}
