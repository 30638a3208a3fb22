import { instrument, type MapPlace } from '../../src/instrument/index.js';
import { Random } from '../reference/random.js';
import { Watched } from './written-pages.js';

/**
 * Until disposed of, whatever this process compiles is instrumented, and watched at every border between program and JavaScript: what was
 * written in JavaScript is nobody's to mark.
 */
export class ProgramWatch implements Disposable {
  readonly watched: Watched[] = [];
  readonly #place: MapPlace;
  /** The most a program may have: enough, and soon compared. */
  readonly #maxPages: number;
  /** One call in so many is looked at, since looking takes longer than most calls do. */
  readonly #every: number;
  readonly #original = { ...WebAssembly, instantiate: WebAssembly.instantiate };
  readonly #bytes = new WeakMap<WebAssembly.Module, Uint8Array<ArrayBuffer>>();
  readonly #random = new Random(1);
  #depth = 0;
  #isLooking = false;

  constructor(place: MapPlace, every: number, maxPages: number) {
    this.#place = place;
    this.#maxPages = maxPages;
    this.#every = every;
    const { Module, Instance } = WebAssembly;
    this.#original = { ...this.#original, Module, Instance };
    const compile = (source: BufferSource): WebAssembly.Module => this.#compile(source);
    const start = (module: WebAssembly.Module, imports?: WebAssembly.Imports) =>
      this.#start(module, imports ?? {});
    Object.assign(WebAssembly, {
      Module: new Proxy(Module, { construct: (_, [source]) => compile(source) }),
      Instance: new Proxy(Instance, {
        construct: (_, [module, imports]) => start(module, imports),
      }),
      compile: async (source: BufferSource) => compile(source),
      instantiate: async (
        source: BufferSource | WebAssembly.Module,
        imports?: WebAssembly.Imports,
      ) => {
        if (source instanceof Module) return start(source, imports);
        const module = compile(source);
        return { module, instance: start(module, imports) };
      },
      instantiateStreaming: undefined,
      compileStreaming: undefined,
    });
  }

  [Symbol.dispose](): void {
    Object.assign(WebAssembly, this.#original);
  }

  #compile(source: BufferSource): WebAssembly.Module {
    const bytes = ArrayBuffer.isView(source)
      ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
      : new Uint8Array(source);
    const plain = new this.#original.Module(bytes);
    // Glue makes modules of a single function on the way.
    if (!hasMemory(plain)) return plain;
    const { wasm } = instrument(bytes, { place: this.#place, maxPages: this.#maxPages });
    const module = new this.#original.Module(wasm);
    this.#bytes.set(module, wasm);
    return module;
  }

  #start(module: WebAssembly.Module, imports: WebAssembly.Imports): WebAssembly.Instance {
    const wasm = this.#bytes.get(module);
    if (wasm === undefined) return new this.#original.Instance(module, imports);
    let watched: Watched | undefined;
    const look = (): void => watched?.look();
    const forgive = (): void => watched?.forgive();
    const outside = Object.entries(imports).map(([name, entries]) => [
      name,
      wrapAll(entries, (call) => this.#border(call, look, forgive)),
    ]);
    const instance = new this.#original.Instance(module, Object.fromEntries(outside));
    watched = new Watched(wasm, instance);
    this.watched.push(watched);
    const exports = wrapAll(instance.exports, (call) => this.#call(call, look, forgive));
    return Object.create(this.#original.Instance.prototype, { exports: { value: exports } });
  }

  /** A call into the program. */
  #call(call: Call, look: () => void, forgive: () => void): Call {
    return (...values) => {
      const isOutermost = this.#depth++ === 0;
      if (isOutermost) this.#isLooking = this.#random.below(this.#every) === 0;
      const isLooking = this.#isLooking;
      if (isLooking) forgive();
      try {
        return call(...values);
      } finally {
        if (isLooking) look();
        this.#depth--;
      }
    };
  }

  /** A call out of it. */
  #border(call: Call, look: () => void, forgive: () => void): Call {
    return (...values) => {
      if (!this.#isLooking || this.#depth === 0) return call(...values);
      look();
      try {
        return call(...values);
      } finally {
        forgive();
      }
    };
  }
}

function hasMemory(module: WebAssembly.Module): boolean {
  const { Module } = WebAssembly;
  const names = [...Module.exports(module), ...Module.imports(module)];
  return names.some(({ kind }) => kind === 'memory');
}

type Call = (...values: readonly unknown[]) => unknown;

function wrapAll(
  entries: object,
  wrap: (call: Call) => Call,
): Record<string, WebAssembly.ImportValue> {
  const wrapped = Object.entries(entries).map(([name, value]) => [
    name,
    typeof value === 'function' ? wrap(value) : value,
  ]);
  return Object.fromEntries(wrapped);
}
