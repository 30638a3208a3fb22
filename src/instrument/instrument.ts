import { ByteWriter } from './byte-writer.js';
import { type AddedIndices, CodeEmitter } from './code-emitter.js';
import { Findings } from './findings.js';
import { FunctionScanner } from './function-scanner.js';
import { planHiddenState } from './hidden-state.js';
import { layoutSection } from './layout.js';
import { growsMemory } from './memory-growth.js';
import { mostWasmPages, type WasmModule } from './module.js';
import { emitModule } from './module-emitter.js';
import { parseModule } from './parse-module.js';
import { hasMultiMemory, type MapPlace, type MapPlan, planMap } from './place.js';
import { malformed, unsupported } from './refusals.js';
import { type InstrumentReport, reportOn } from './report.js';

export interface InstrumentOptions {
  /** Where the map of written pages is. Default: a second memory where the engine at hand has multi-memory, else behind the maximum. */
  readonly place?: MapPlace;
  /** What the names of added exports begin with: 1 to 64 characters; '__pageferry_'. */
  readonly prefix?: string;
  /** Whether the module's start function still runs when it is instantiated; 'keep'. A restored program must not start anew: 'strip'. */
  readonly start?: 'keep' | 'strip';
  /**
   * Behind the maximum: how many pages of 65536 bytes the program may have, within its own limits. Default: its maximum, or 2 GiB where it
   * names none; at most 512 MiB where it does not grow by itself, since it then has all of that from the beginning.
   */
  readonly maxPages?: number;
  /**
   * Behind the maximum, of a program whose host grows its memory: whether the host does so by the global that is `size` in the layout, and nothing else. Such a program begins as small as it
   * says; default false, and it has all of its memory from the beginning.
   */
  readonly hostGrows?: boolean;
}

/** An instrumented module, and what was done to it. */
export interface Instrumented {
  readonly wasm: Uint8Array<ArrayBuffer>;
  readonly report: InstrumentReport;
}

const defaultPrefix = '__pageferry_';
const longestPrefix = 64;
const places: readonly unknown[] = ['second-memory', 'behind-maximum', 'none'];
const starts: readonly unknown[] = ['keep', 'strip'];
/** As far as a mark may reach into the next page: at least what one store may write there. */
const headBytes = 128;

/**
 * Gives a WebAssembly module a write log: behind each of its stores the page of 4 KiB that it wrote is marked in a map, and all its state
 * gets names by which it can be reached. `readLayout` says where all that is. The bytes of `bytes` stay as they are.
 *
 * FerryError: ERR_GUEST where `bytes` is no module, ERR_UNSUPPORTED for what is not known here (memory64, GC, more than one memory ...),
 * what was instrumented before, and where the map has no place. TypeError and RangeError for wrong options.
 */
export function instrument(bytes: Uint8Array, options: InstrumentOptions = {}): Instrumented {
  if (!(bytes instanceof Uint8Array)) throw new TypeError('a module is bytes, in a Uint8Array');
  const { prefix = defaultPrefix, start = 'keep', maxPages, hostGrows = false } = options;
  const place = options.place ?? (hasMultiMemory() ? 'second-memory' : 'behind-maximum');
  if (typeof prefix !== 'string') throw new TypeError('prefix is a string');
  if (prefix.length < 1 || prefix.length > longestPrefix || /\p{Surrogate}/u.test(prefix)) {
    throw new RangeError(`prefix is 1 to ${longestPrefix} characters`);
  }
  if (!places.includes(place)) throw new RangeError(`place is one of ${places.join(', ')}`);
  if (!starts.includes(start)) throw new RangeError(`start is one of ${starts.join(', ')}`);
  if (maxPages !== undefined && !isPageCount(maxPages)) {
    throw new RangeError(`maxPages is a whole number of 1 to ${mostWasmPages}`);
  }
  const module = parseModule(bytes);
  refuseNames(module, prefix);
  const isBehind = place === 'behind-maximum';
  const wishes = { place, maxPages, growsMemory: isBehind && growsMemory(module), hostGrows };
  return rewrite(module, planMap(module, wishes), prefix, start === 'keep');
}

function isPageCount(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= mostWasmPages;
}

function rewrite(
  module: WasmModule,
  plan: MapPlan,
  prefix: string,
  startIsKept: boolean,
): Instrumented {
  const findings = new Findings();
  const virtualSize = plan.place === 'behind-maximum';
  const indices = addedIndices(module, plan);
  const scanner = new FunctionScanner(module, findings, {
    headBytes,
    // Another thread may look at the map between any two instructions: there each mark follows its own store.
    merges: module.memories[0]?.shared !== true,
    marks: plan.place !== 'none',
    virtualSize,
  });
  const code = rewriteCode(module, scanner, new CodeEmitter(scanner, indices));
  const hidden = planHiddenState(module, findings, { prefix, plan, headBytes, startIsKept });
  const wasm = emitModule({ module, findings, plan, hidden, indices, code, startIsKept });
  return { wasm, report: reportOn(module, findings, hidden.layout, wasm.length) };
}

function addedIndices(module: WasmModule, { place, byteOffset }: MapPlan): AddedIndices {
  const isBehind = place === 'behind-maximum';
  const functions = module.functions.length;
  const globals = module.globals.length;
  return {
    mapMemory: isBehind ? 0 : 1,
    mapOffset: byteOffset,
    markRange: functions,
    markBelow: functions + 1,
    markUnequal: functions + 2,
    grow: functions + 3,
    size: globals,
    firstDrop: globals + (isBehind ? 1 : 0),
  };
}

function rewriteCode(
  module: WasmModule,
  scanner: FunctionScanner,
  emitter: CodeEmitter,
): ByteWriter {
  const code = new ByteWriter(Math.ceil(1.5 * module.bytes.length));
  const out = new ByteWriter(65_536);
  for (const [index, body] of module.bodies.entries()) {
    const type = module.types[module.functions[module.importedFunctions + index] ?? 0];
    if (type === undefined) throw malformed('a function of no type', body.start);
    scanner.scan(body, type);
    out.clear();
    emitter.emit(module.bytes, body, out);
    code.u32(out.length);
    code.append(out);
  }
  return code;
}

/** ERR_UNSUPPORTED where our names are taken. */
function refuseNames({ sections, imports, exports }: WasmModule, prefix: string): void {
  if (sections.some(({ name }) => name === layoutSection)) throw unsupported('it already is');
  const taken = [...imports.flat(), ...exports.map(({ name }) => name)];
  const clash = taken.find((name) => name.startsWith(prefix));
  if (clash !== undefined) {
    throw unsupported(`it has the name ${JSON.stringify(clash)}; choose another prefix`);
  }
}
