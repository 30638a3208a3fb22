import type { MarkGroups } from './mark-groups.js';
import { type OperandStack, origins } from './operand-stack.js';

/** A loop that stores from a local on, which grows by `step` each time until `until` says so; all it writes is marked before it begins. */
export interface Stride {
  readonly local: number;
  /** A local that stays as it is, or a constant. */
  readonly until: { readonly local: number } | { readonly constant: number };
  readonly step: number;
  /** From the lowest byte that is stored at first to behind the highest, counted from the local. */
  readonly low: number;
  readonly high: number;
  /** 'below': goes on while the local is less; 'unequal': while it is not equal. */
  readonly while: 'below' | 'unequal';
}

interface Sum {
  readonly end: number;
  readonly local: number;
  readonly version: number;
  readonly constant: number;
}

interface Operand {
  readonly origin: number;
  readonly detail: number;
}

interface Comparison {
  readonly end: number;
  readonly opcode: number;
  readonly left: Operand;
  readonly right: Operand;
}

const opcodes = { add: 0x6a, unequal: 0x47, below: 0x49, above: 0x4b } as const;

/**
 * Finds strides: loops of one straight line, as compilers make of copies and fills. Nothing in them but the last branch decides, so that they
 * run to their end unless a store traps, and what a trap leaves unwritten is marked for nothing.
 */
export class StrideFinder {
  /** Whether the instruction at hand is in a loop that may be one. */
  isActive = false;
  /** Where the loop begins, before its `loop`. */
  start = 0;
  #firstGroup = 0;
  /** Values of locals that are not newer are from before the loop. */
  #lastVersion = 0;
  #sum: Sum | undefined;
  #comparison: Comparison | undefined;
  /** By local: the value it had, what it was grown by, and the value it has. */
  readonly #grown = new Map<number, { from: number; by: number; to: number }>();

  begin(start: number, lastVersion: number, groups: number): void {
    this.isActive = true;
    this.start = start;
    this.#firstGroup = groups;
    this.#lastVersion = lastVersion;
    this.#sum = undefined;
    this.#comparison = undefined;
    this.#grown.clear();
  }

  /** An instruction that ends at byte `end` is about to take what is on the stack. */
  operate(opcode: number, end: number, stack: OperandStack): void {
    const right = { origin: stack.originAt(0), detail: stack.detailAt(0) };
    const left = { origin: stack.originAt(1), detail: stack.detailAt(1) };
    if (opcode === opcodes.add) {
      const [local, other] = left.origin >= 0 ? [left, right] : [right, left];
      if (local.origin < 0 || other.origin !== origins.constant) return;
      const { origin, detail: version } = local;
      this.#sum = { end, local: origin, version, constant: other.detail };
    } else if (opcode === opcodes.unequal || opcode === opcodes.below || opcode === opcodes.above) {
      this.#comparison = { end, opcode, left, right };
    }
  }

  /** `local`, which was `from`, becomes `to`: the value that was made at byte `made`. */
  assign(local: number, from: number, to: number, made: number): void {
    const sum = this.#sum;
    const grows =
      sum !== undefined && sum.end === made && sum.local === local && sum.version === from;
    if (grows && from <= this.#lastVersion && sum.constant > 0) {
      this.#grown.set(local, { from, by: sum.constant, to });
    } else {
      this.#grown.delete(local);
    }
  }

  /**
   * The loop begins again if the value that was made at byte `made` says so. Gives the stride where it is one, and closes the groups of marks
   * that it takes the place of: how many stands in `replaced`.
   */
  end(
    made: number,
    groups: MarkGroups,
    versions: Int32Array,
  ): { stride: Stride; replaced: number } | undefined {
    this.isActive = false;
    const comparison = this.#comparison;
    if (comparison === undefined || comparison.end !== made) return undefined;
    const { opcode } = comparison;
    const [left, right] =
      opcode === opcodes.above || (opcode === opcodes.unequal && !this.#isGrown(comparison.left))
        ? [comparison.right, comparison.left]
        : [comparison.left, comparison.right];
    const grown = this.#grown.get(left.origin);
    if (grown === undefined || grown.to !== left.detail) return undefined;
    if (right.origin === origins.unknown) return undefined;
    const isOld = right.detail <= this.#lastVersion && versions[right.origin] === right.detail;
    if (right.origin >= 0 && !isOld) return undefined;
    const taken = groups.take(this.#firstGroup, left.origin, grown);
    if (taken === undefined) return undefined;
    const until = right.origin >= 0 ? { local: right.origin } : { constant: right.detail };
    const { low, high, count: replaced } = taken;
    const condition = opcode === opcodes.unequal ? 'unequal' : 'below';
    const stride = {
      local: left.origin,
      until,
      step: grown.by,
      low,
      high,
      while: condition,
    } as const;
    return { stride, replaced };
  }

  #isGrown({ origin, detail }: Operand): boolean {
    return this.#grown.get(origin)?.to === detail;
  }
}
