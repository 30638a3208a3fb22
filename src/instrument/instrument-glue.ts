import type { Options, Program } from 'acorn';
import { FerryError } from '../errors.js';
import { GlueRewriter } from './glue-rewriter.js';

export interface InstrumentGlueOptions {
  /** What the source is: 'commonjs' (the default; what a CommonJS module, a script or the body of a function may hold) or 'module'. */
  readonly sourceType?: 'commonjs' | 'module';
}

/** Something in the glue that may write to elements without a word of it. */
export interface UnseenWriter {
  /** In words. */
  readonly what: string;
  /** From 1 on. */
  readonly line: number;
  /** From 0 on. */
  readonly column: number;
}

export interface GlueReport {
  /** Assignments that `trackWrites` is told of now. */
  readonly assignments: number;
  /** Empty: all writes to elements by this source's own text are told. */
  readonly unseen: readonly UnseenWriter[];
}

export interface InstrumentedGlue {
  readonly code: string;
  readonly report: GlueReport;
}

/** As the language has it at most; newer syntax is refused, not guessed. */
const ecmaVersion = 'latest';
const newPrefix = '__pageferry_';

/**
 * Rewrites the JavaScript of a program's glue so that `trackWrites` is told of what it assigns to elements: `HEAP32[p >> 2] = x`, `+=` and the like, `++`, `--`,
 * destructuring, heads of loops. The code does what it did otherwise: order of evaluation, values, errors, strictness, setters and proxies; lines stay lines. While
 * nothing is tracked it costs next to nothing. ERR_GUEST for what is no JavaScript.
 *
 * Of elements only what this text assigns is told: not what other modules do, nor code that is made of strings when it runs, which the report names;
 * docs/instrument.md lists the rest.
 */
export async function instrumentGlue(
  source: string,
  options: InstrumentGlueOptions = {},
): Promise<InstrumentedGlue> {
  const { sourceType = 'commonjs' } = options;
  if (sourceType !== 'commonjs' && sourceType !== 'module') {
    throw new TypeError(`sourceType must be 'commonjs' or 'module', not ${String(sourceType)}`);
  }
  // Loaded by those who need it: half of what they had to load otherwise.
  const { getLineInfo, parse } = await import('acorn');
  const names = new Set<string>();
  const parsing: Options = {
    ecmaVersion,
    sourceType,
    preserveParens: true,
    allowHashBang: true,
    onToken: (token) => {
      if (token.type.label === 'name' && 'value' in token) names.add(String(token.value));
    },
  };
  try {
    const program: Program = parse(source, parsing);
    const rewriter = new GlueRewriter(source, program, prefixBeside(names));
    const code = rewriter.rewrite();
    const unseen = rewriter.unseen.map(({ what, at }) => ({ what, ...placeOf(at) }));
    return { code, report: { assignments: rewriter.sites, unseen } };
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new FerryError('ERR_GUEST', `not JavaScript: ${error.message}`, { cause: error });
    }
    if (error instanceof RangeError) {
      throw new FerryError('ERR_GUEST', 'this JavaScript is nested too deep', { cause: error });
    }
    throw error;
  }

  function placeOf(at: number): { readonly line: number; readonly column: number } {
    const { line, column } = getLineInfo(source, at);
    return { line, column };
  }
}

/** What begins no name in the glue. */
function prefixBeside(names: ReadonlySet<string>): string {
  const near = [...names].filter((name) => name.startsWith(newPrefix));
  let prefix = newPrefix;
  while (near.some((name) => name.startsWith(prefix))) prefix += '_';
  return prefix;
}
