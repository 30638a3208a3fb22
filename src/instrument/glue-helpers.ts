import { elementWritesKey } from './element-writes.js';

/** What assigns to an element at one place of glue, and tells of it. A function for each place, so that the engine learns what is assigned there. */
export type Assignment =
  | { readonly kind: 'assign' }
  /** `by` gives the value, called once `object[key]` was read; for `&&=`, `||=` and `??=` perhaps not at all. */
  | { readonly kind: 'compound'; readonly operator: string; readonly by: 'value' | 'function' }
  | { readonly kind: 'update'; readonly operator: '++' | '--'; readonly prefix: boolean }
  /** Of a pattern or the head of a loop: gives an object whose property `to` is the element. */
  | { readonly kind: 'target' };

/** The functions that rewritten glue calls, as source text. */
export class GlueHelpers {
  readonly #prefix: string;
  readonly #lines: string[] = [];
  readonly #isStrict: boolean;

  /** `prefix`: begins no name in the glue. `isStrict`: all of the glue is strict code. */
  constructor(prefix: string, isStrict: boolean) {
    this.#prefix = prefix;
    this.#isStrict = isStrict;
  }

  /** Adds what one place needs. Returns its name. */
  add(assignment: Assignment, isStrict: boolean): string {
    const name = `${this.#prefix}${this.#lines.length}`;
    const [parameters, body] = this.#parts(assignment);
    const mode = isStrict && !this.#isStrict ? '"use strict";' : '';
    this.#lines.push(`function ${name}(${parameters}){${mode}${body}}`);
    return name;
  }

  #parts(assignment: Assignment): [parameters: string, body: string] {
    const tell = `if(${this.#prefix}.length!==0)${this.#prefix}tell(o,k);`;
    switch (assignment.kind) {
      case 'assign':
        return ['o,k,v', `o[k]=v;${tell}return v`];
      case 'update': {
        const { operator, prefix } = assignment;
        const change = prefix ? `${operator}o[k]` : `o[k]${operator}`;
        return ['o,k', `var v=${change};${tell}return v`];
      }
      case 'target':
        return ['o,k', `return{set to(v){o[k]=v;${tell}}}`];
      case 'compound': {
        const { operator, by } = assignment;
        const value = by === 'function' ? 'v()' : 'v';
        if (!isLogical(operator)) return ['o,k,v', `v=(o[k]${operator}${value});${tell}return v`];
        return ['o,k,v', `var w=false;v=(o[k]${operator}(w=true,${value}));if(w){${tell}}return v`];
      }
    }
  }

  /** What stands before the first statement. */
  get before(): string {
    return `var ${this.#prefix}=globalThis[Symbol.for("${elementWritesKey}")]??=[];`;
  }

  /** What stands behind the last. */
  get behind(): string {
    const all = this.#prefix;
    const tell = `function ${all}tell(o,k){for(var i=0;i<${all}.length;i++)${all}[i](o,k)}`;
    return `\n${[tell, ...this.#lines].join('\n')}\n`;
  }
}

function isLogical(operator: string): boolean {
  return operator === '&&=' || operator === '||=' || operator === '??=';
}
