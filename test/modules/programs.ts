// WebAssembly programs of others, as they come from npm, and 30 and more steps of real work for each.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { loadLz4Wasm } from '../reference/lz4-wasm.js';
import { Random } from '../reference/random.js';

/** Does one more step; what it gives depends on nothing but the steps before. */
export type Step = (index: number) => unknown;

export interface Program {
  readonly name: string;
  /** What it was written in. */
  readonly from: 'AssemblyScript' | 'C' | 'C++' | 'Go' | 'Rust';
  /** Whether it imports its memory, which takes an engine with multi-memory. */
  readonly importsMemory?: boolean;
  /** Pages of 65536 bytes that are enough for it; 512. */
  readonly pages?: number;
  /** Makes it anew. */
  start(): Promise<Step>;
}

/** Packages of test/modules; both tests and benches run in the project's folder. */
const folder = join(process.cwd(), 'test/modules');
const requireModule: NodeJS.Require = createRequire(join(folder, 'package.json'));
let loads = 0;

/** What a package of test/modules is the first time, again. */
function fresh<T>(name: string): T {
  for (const path of Object.keys(requireModule.cache)) {
    if (path.startsWith(folder)) delete requireModule.cache[path];
  }
  return requireModule(name);
}

/** The same of an ES module. */
async function freshModule<T>(name: string): Promise<T> {
  const url = pathToFileURL(join(folder, 'node_modules', name)).href;
  return await import(`${url}?${loads++}`);
}

/** Whether the packages of test/modules are there. */
export function modulesAreInstalled(): boolean {
  try {
    requireModule.resolve('wabt');
    return true;
  } catch {
    return false;
  }
}

const words = 'the quick brown fox jumps over a lazy dog while pages ferry across rivers'.split(
  ' ',
);

/** Text of `count` words, the same for the same numbers. */
function prose(seed: number, count: number): string {
  const random = new Random(seed + 1);
  return Array.from({ length: count }, () => words[random.below(words.length)] ?? '').join(' ');
}

const bytesOf = (seed: number, count: number): Uint8Array => new Random(seed + 1).bytes(count);

interface SqlDatabase {
  run(sql: string, values?: readonly unknown[]): void;
  exec(sql: string): readonly { readonly values: readonly unknown[] }[];
}

const sqlite: Program = {
  name: 'sql.js',
  from: 'C',
  async start() {
    const init = fresh<() => Promise<{ Database: new () => SqlDatabase }>>('sql.js');
    const { Database } = await init();
    const database = new Database();
    database.run('CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT, size REAL)');
    database.run('CREATE INDEX words ON t (word, size)');
    return (index) => {
      database.run('BEGIN');
      for (let row = 0; row < 60; row++) {
        const values = [prose(index * 100 + row, 6), (index * 37 + row) / 7];
        database.run('INSERT INTO t (word, size) VALUES (?, ?)', values);
      }
      database.run(`UPDATE t SET size = size * 1.5 WHERE id % 7 = ${index % 7}`);
      database.run(`DELETE FROM t WHERE id % 31 = ${index % 31}`);
      database.run('COMMIT');
      const found = database.exec(
        'SELECT word, count(*), sum(size) FROM t GROUP BY substr(word, 1, 5) ORDER BY 1 LIMIT 20',
      );
      return JSON.stringify(found[0]?.values);
    };
  },
};

interface QuickJs {
  newContext(): {
    evalCode(code: string): { error?: unknown; value?: unknown };
    unwrapResult(result: unknown): { dispose(): void };
    dump(value: unknown): unknown;
  };
}

const quickjs: Program = {
  name: 'quickjs-emscripten',
  from: 'C',
  importsMemory: true,
  async start() {
    const { newQuickJSWASMModule } = fresh<{ newQuickJSWASMModule(): Promise<QuickJs> }>(
      'quickjs-emscripten',
    );
    const context = (await newQuickJSWASMModule()).newContext();
    const run = (code: string): unknown => {
      const value = context.unwrapResult(context.evalCode(code));
      const dumped = context.dump(value);
      value.dispose();
      return dumped;
    };
    run(
      'var seen = new Map(), list = []; function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }',
    );
    return (index) =>
      run(`for (let i = 0; i < 400; i++) { seen.set('k' + (i * ${index + 1}) % 997, { i, s: 'x'.repeat(i % 20) }); list.push(i ^ ${index}); }
           list.sort((a, b) => a - b); JSON.stringify([seen.size, fib(12 + ${index % 4}), list.slice(0, 5), [...seen.keys()].slice(-3)])`);
  },
};

interface YogaNode {
  setWidth(value: number): void;
  setHeight(value: number): void;
  setFlexGrow(value: number): void;
  setFlexDirection(value: number): void;
  setMargin(edge: number, value: number): void;
  insertChild(child: YogaNode, index: number): void;
  calculateLayout(width: number, height: number, direction: number): void;
  getComputedLayout(): unknown;
  freeRecursive(): void;
}

const yoga: Program = {
  name: 'yoga-layout',
  from: 'C++',
  async start() {
    const { loadYoga } = await freshModule<{
      loadYoga(): Promise<{ Node: { create(): YogaNode } }>;
    }>('yoga-layout/dist/src/load.js');
    const { Node } = await loadYoga();
    const make = (depth: number, seed: number): YogaNode => {
      const node = Node.create();
      node.setFlexDirection(depth % 4);
      node.setFlexGrow(1 + (seed % 3));
      node.setMargin(8, seed % 5);
      if (depth === 0) {
        node.setWidth(10 + (seed % 40));
        node.setHeight(5 + (seed % 20));
        return node;
      }
      for (let child = 0; child < 4; child++)
        node.insertChild(make(depth - 1, seed * 5 + child), child);
      return node;
    };
    return (index) => {
      const root = make(3, index);
      root.calculateLayout(800 + index, 600, 1);
      const layout = JSON.stringify(root.getComputedLayout());
      root.calculateLayout(400, 300 + index, 1);
      const other = JSON.stringify(root.getComputedLayout());
      root.freeRecursive();
      return layout + other;
    };
  },
};

const tiktoken: Program = {
  name: '@dqbd/tiktoken',
  from: 'Rust',
  async start() {
    const { get_encoding: encodingOf } = fresh<{
      get_encoding(name: string): { encode(text: string): Uint32Array };
    }>('@dqbd/tiktoken');
    const encoding = encodingOf('gpt2');
    return (index) => encoding.encode(prose(index, 400)).join();
  },
};

interface Hasher {
  init(): Hasher;
  update(data: Uint8Array | string): Hasher;
  digest(): string;
}

const hashWasm: Program = {
  name: 'hash-wasm',
  from: 'C',
  async start() {
    const library =
      fresh<Record<'createBLAKE3' | 'createSHA3' | 'createMD5', () => Promise<Hasher>>>(
        'hash-wasm',
      );
    const hashers = [
      await library.createBLAKE3(),
      await library.createSHA3(),
      await library.createMD5(),
    ];
    return (index) =>
      hashers.map((hasher) => hasher.init().update(bytesOf(index, 40_000)).digest()).join();
  },
};

const lz4: Program = {
  name: 'lz4-wasm',
  from: 'Rust',
  async start() {
    const { compress, decompress } = loadLz4Wasm();
    return (index) => {
      const raw = new TextEncoder().encode(prose(index, 8000));
      const block = compress(raw).slice();
      return block.join() + decompress(block, raw.length).slice(0, 100).join();
    };
  },
};

interface Wabt {
  parseWat(
    name: string,
    text: string,
    features: object,
  ): {
    validate(): void;
    toBinary(options: object): { buffer: Uint8Array };
    destroy(): void;
  };
}

const wabt: Program = {
  name: 'wabt',
  from: 'C++',
  async start() {
    const { parseWat } = await fresh<() => Promise<Wabt>>('wabt')();
    return (index) => {
      const functions = Array.from(
        { length: 60 },
        (_, number) =>
          `(func (export "f${number}") (param i32 i64) (result i32) (i32.store offset=${number * 4} (local.get 0) (i32.const ${index * number}))
           (if (result i32) (i32.eqz (local.get 0)) (then (i32.const ${index})) (else (i32.wrap_i64 (i64.mul (local.get 1) (i64.const ${number}))))))`,
      );
      const module = parseWat('m.wat', `(module (memory 1) ${functions.join('\n')})`, {});
      module.validate();
      const bytes = module.toBinary({}).buffer.slice();
      module.destroy();
      return bytes.join();
    };
  },
};

const asSha256: Program = {
  name: '@chainsafe/as-sha256',
  from: 'AssemblyScript',
  async start() {
    const { digest } = await freshModule<{ digest(data: Uint8Array): Uint8Array }>(
      '@chainsafe/as-sha256/lib/index.js',
    );
    return (index) => digest(bytesOf(index, 20_000)).join();
  },
};

interface Lua {
  doString(code: string): Promise<unknown>;
  readonly global: { get(name: string): Step };
}

const wasmoon: Program = {
  name: 'wasmoon',
  from: 'C',
  async start() {
    const { LuaFactory } = fresh<{
      LuaFactory: new () => { createEngine(): Promise<Lua> };
    }>('wasmoon');
    const lua = await new LuaFactory().createEngine();
    await lua.doString(`seen = {}; total = 0
      function step(index)
        for i = 1, 1500 do local key = 'k' .. (i * (index + 1)) % 701; seen[key] = ((seen[key] or 0) + i) % 100003; total = total + #key end
        local keys = {}; for key in pairs(seen) do keys[#keys + 1] = key end; table.sort(keys)
        return table.concat(keys, ',', 1, 20) .. total .. seen.k1
      end`);
    return lua.global.get('step');
  },
};

interface SourceMapConsumer {
  eachMapping(visit: (mapping: { source: string; originalLine: number }) => void): void;
  destroy(): void;
}

const sourceMap: Program = {
  name: 'source-map',
  from: 'Rust',
  async start() {
    const { SourceMapConsumer: Consumer } = fresh<{
      SourceMapConsumer: new (map: object) => Promise<SourceMapConsumer>;
    }>('source-map');
    return async (index) => {
      const lines = Array.from({ length: 400 }, (_, line) =>
        'AACA,IAAK,SAAS,EAAE;'.repeat(1 + ((line + index) % 4)),
      );
      const map = { version: 3, sources: ['a.js'], names: ['n'], mappings: lines.join('') };
      const consumer = await new Consumer(map);
      let sum = 0;
      consumer.eachMapping(({ originalLine }) => {
        sum += originalLine;
      });
      consumer.destroy();
      return sum;
    };
  },
};

const brotli: Program = {
  name: 'brotli-wasm',
  from: 'Rust',
  pages: 2048,
  async start() {
    const { compress, decompress } =
      await fresh<
        Promise<{
          compress(bytes: Uint8Array, options: object): Uint8Array;
          decompress(bytes: Uint8Array): Uint8Array;
        }>
      >('brotli-wasm');
    return (index) => {
      const raw = new TextEncoder().encode(prose(index, 1500));
      const packed = compress(raw, { quality: 1 + (index % 9) });
      return packed.join() + decompress(packed).length;
    };
  },
};

interface XxHash {
  h64Raw(bytes: Uint8Array): bigint;
  create64(): { update(bytes: Uint8Array): { digest(): bigint } };
}

const xxhash: Program = {
  name: 'xxhash-wasm',
  from: 'AssemblyScript',
  async start() {
    const library = await fresh<() => Promise<XxHash>>('xxhash-wasm')();
    return (index) => {
      const data = bytesOf(index, 30_000);
      return `${library.h64Raw(data)} ${library.create64().update(data).digest()}`;
    };
  },
};

export const programs: readonly Program[] = [
  sqlite,
  quickjs,
  yoga,
  tiktoken,
  hashWasm,
  lz4,
  wabt,
  asSha256,
  wasmoon,
  sourceMap,
  brotli,
  xxhash,
];
