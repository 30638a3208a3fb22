import { pathToFileURL } from 'node:url';
import type { QuickJSContext, QuickJSHandle } from 'quickjs-emscripten-core';
import { describe, expect, it } from 'vitest';
import { type GlueState, type WasmGuest, wasmGuest } from '../../src/guests/wasm/index.js';
import { listen } from '../../src/migration/listen.js';
import { migrate } from '../../src/migration/migrate.js';

interface Sandbox {
  readonly vm: QuickJSContext;
  readonly module: Uint8Array;
  readonly instance: WebAssembly.Instance;
  readonly imports: Record<string, Record<string, unknown>>;
}

type Handles = Map<string, QuickJSHandle>;

interface Example {
  openSandbox(): Promise<Sandbox>;
  quickjsGlue(sandbox: Sandbox, handles: Handles): GlueState;
}

const exampleOf = (name: string): Promise<Example> =>
  import(pathToFileURL(`examples/quickjs/${name}.mjs`).href);
const { openSandbox } = await exampleOf('sandbox');
const { quickjsGlue } = await exampleOf('glue');

interface Scripted extends Sandbox {
  readonly handles: Handles;
  readonly glue: GlueState;
  readonly guest: WasmGuest;
  /** What a piece of script gives, as text. */
  run(script: string): string;
}

async function open(
  onGeneration?: (sandbox: Scripted, seed: Uint8Array) => void,
): Promise<Scripted> {
  const sandbox = await openSandbox();
  const { vm, module, instance, imports } = sandbox;
  const handles: Handles = new Map();
  const glue = quickjsGlue(sandbox, handles);
  const guest = await wasmGuest({
    module,
    instance: instance as never,
    imports,
    glue,
    onGeneration: ({ seed }) => onGeneration?.(scripted, seed),
  });
  const scripted: Scripted = {
    ...sandbox,
    handles,
    glue,
    guest,
    run: (script) =>
      vm.unwrapResult(vm.evalCode(`String(${script})`)).consume((text) => vm.getString(text)),
  };
  return scripted;
}

/** A busy machine may pause for longer than it should. */
const patient = { maxDowntimeMs: 1000, onStall: 'force' } as const;

async function move(from: Scripted, to: Scripted): Promise<void> {
  const listener = await listen({ accept: () => to.guest });
  try {
    const { host, port } = listener;
    const report = await migrate(from.guest, { host, port, ...patient }).done;
    expect(report).toMatchObject({ verified: 'memory', repaired: 0 });
  } finally {
    await listener.close();
  }
}

describe('a script inside QuickJS that moved', () => {
  it('goes on in its closures, its generators, its Map and its promises', async () => {
    const [here, there] = [await open(), await open()];
    here.run(`(() => {
      let count = 40;
      globalThis.next = () => ++count;
      globalThis.lines = (function* () { for (let n = 1; ; n++) yield 'line ' + n; })();
      lines.next();
      globalThis.map = new Map([[lines, 'itself']]);
      Promise.resolve(7).then((n) => n * 6).then((n) => { globalThis.settled = n; });
    })()`);
    await move(here, there);
    expect(there.run('[next(), lines.next().value, map.get(lines)]')).toBe('41,line 2,itself');
    // What waited there for the host to let it run, waits here.
    expect(there.run('typeof settled')).toBe('undefined');
    there.vm.unwrapResult(there.vm.runtime.executePendingJobs());
    expect(there.run('settled')).toBe('42');
  });

  it('is held by the handles that the host had, whose numbers are addresses', async () => {
    const [here, there] = [await open(), await open()];
    const { vm } = here;
    // Nothing else refers to it.
    const counter = vm.unwrapResult(vm.evalCode('(() => { let n = 5; return () => ++n; })()'));
    here.handles.set('counter', counter);
    await move(here, there);
    const moved = there.handles.get('counter');
    expect(moved?.value).toBe(counter.value);
    const result = there.vm.callFunction(moved as QuickJSHandle, there.vm.undefined);
    expect(there.vm.unwrapResult(result).consume((n) => there.vm.getNumber(n))).toBe(6);
    moved?.dispose();
    expect(there.run('6 * 7')).toBe('42');
  });

  it('has its memory, which grew on the way, in the views of the glue there', async () => {
    const [here, there] = [await open(), await open()];
    const byteLength = (of: Scripted): number => of.guest.memory.buffer.byteLength;
    const before = byteLength(there);
    here.run(`(() => {
      globalThis.texts = [];
      for (let n = 0; n < 30000; n++) texts.push(String(n).repeat(100));
    })()`);
    await move(here, there);
    expect(byteLength(here)).toBeGreaterThan(before);
    expect(byteLength(there)).toBe(byteLength(here));
    expect(there.run('texts[29999].length')).toBe('500');
    expect(there.run(`'a text that the host wrote, and one that it reads: ' + texts[9]`)).toMatch(
      /reads: 9{100}$/,
    );
  });

  it('draws other numbers than its copy would have, where it is reseeded', async () => {
    const script = `(() => {
      let state = 1;
      globalThis.reseed = (seed) => { state ^= seed; };
      Math.random = () => (state = Math.imul(state, 48271) % 2147483647 | 0) / 2147483647;
    })()`;
    const reseed = (sandbox: Scripted, seed: Uint8Array): void => {
      sandbox.run(`reseed(${new DataView(seed.buffer).getInt32(0)})`);
    };
    for (const reseeded of [false, true]) {
      const [here, there] = [await open(), await open(reseeded ? reseed : undefined)];
      here.run(script);
      await move(here, there);
      // The source is paused, not gone: past the gate its copy still draws.
      const same = here.run('Math.random()') === there.run('Math.random()');
      expect(same).toBe(!reseeded);
    }
  });
});

describe('the glue of QuickJS', () => {
  const encoded = (state: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(state));

  it('says which functions of the host cannot travel', async () => {
    const { vm, glue } = await open();
    expect(glue.check?.()).toEqual([]);
    const late = vm.newFunction('late', () => undefined);
    expect(glue.check?.()).toHaveLength(1);
    late.dispose();
  });

  it('takes nothing that it would not have saved', async () => {
    const { glue, handles, run } = await open();
    const state = JSON.parse(new TextDecoder().decode(glue.save()));
    const hostile = [
      null,
      7,
      {},
      { ...state, context: state.context + 8 },
      { ...state, functions: '1' },
      { ...state, handles: [['a', -1]] },
      { ...state, handles: [['a', 1.5]] },
      { ...state, handles: [[{}, 8]] },
      { ...state, handles: 'ab' },
      { ...state, handles: [null] },
    ];
    for (const each of hostile) {
      expect(() => glue.load(encoded(each))).toThrow(
        expect.objectContaining({ code: 'ERR_GUEST' }),
      );
      expect(handles.size).toBe(0);
    }
    glue.load(encoded(state));
    expect(run('1 + 1')).toBe('2');
  });
});
