import type { ProgramImports, ProgramInstance, ProgramMemory, ProgramTable } from './ends.js';
import { type ProgramSize, sizeBeforeStart } from './growth.js';
import { HostCalls } from './host-calls.js';
import { HostFunctions } from './host-functions.js';

/** A program that was instantiated, with what it imports. */
export interface InstantiatedProgram {
  readonly instance: ProgramInstance;
  readonly imports: ProgramImports;
  /** Its one memory, exported or imported. */
  readonly memory: ProgramMemory;
  /** How much of its memory is the program's own. */
  readonly size: ProgramSize;
  /** Functions in its table that are not its own. */
  readonly hosts: HostFunctions;
  /** What it called its host for since it was instantiated. */
  readonly calls: HostCalls;
}

export interface ProgramSource {
  /** For emscripten's option `instantiateWasm`: the program runs as `bytes` say, whatever its glue would have loaded. */
  readonly instantiateWasm: (
    imports: ProgramImports,
    // The glue's own types for it differ from build to build.
    // biome-ignore lint/suspicious/noExplicitAny: it takes a WebAssembly.Instance, which is not ours to name
    done: (instance: any, module: any) => void,
  ) => object;
  /** Resolves once the glue has asked for it; rejects if the program cannot be instantiated. */
  readonly program: Promise<InstantiatedProgram>;
}

/**
 * Gets at the instance of an emscripten program, and runs `bytes` as it: those of its .wasm file, or the same instrumented. Give `instantiateWasm` to the module's factory
 * and wait for `program` beside it.
 */
export function programSource(bytes: Uint8Array): ProgramSource {
  const { promise: program, resolve, reject } = withResolvers<InstantiatedProgram>();
  // Whoever waits for the factory alone is not to hear of it twice.
  program.catch(() => {});
  return {
    program,
    instantiateWasm(imports, done) {
      const calls = new HostCalls();
      let ends:
        | { readonly table: ProgramTable | undefined; readonly memory: ProgramMemory }
        | undefined;
      calls.watch(imports, () => {
        if (ends === undefined)
          throw new TypeError('the program called its host before it was made');
        return ends;
      });
      const sizeOf = sizeBeforeStart(bytes, imports);
      WebAssembly.instantiate(Uint8Array.from(bytes), imports as WebAssembly.Imports)
        .then(({ instance, module }) => {
          const memory = memoryOf(instance, imports);
          const table = tableOf(instance);
          ends = { table, memory };
          const size = sizeOf(instance, memory);
          const hosts = new HostFunctions(table, calls);
          resolve({ instance, imports, memory, size, hosts, calls });
          done(instance, module);
        })
        .catch(reject);
      return {};
    },
  };
}

/** The program's own table: what the rewriter adds is behind what the program exports. */
function tableOf({ exports }: ProgramInstance): ProgramTable | undefined {
  return Object.values(exports).find(
    (each): each is WebAssembly.Table => each instanceof WebAssembly.Table,
  );
}

function memoryOf(instance: ProgramInstance, imports: ProgramImports): ProgramMemory {
  const imported = Object.values(imports).flatMap((fields) => Object.values(Object(fields)));
  const found = [...Object.values(instance.exports), ...imported].find(
    (each): each is WebAssembly.Memory => each instanceof WebAssembly.Memory,
  );
  if (found === undefined) throw new TypeError('the program has no memory');
  return found;
}

function withResolvers<T>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: unknown) => void;
} {
  let resolve: (value: T) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
