// One program of test/modules in a process of its own, as it is or instrumented: its CPU time is what `write-log` compares.
import { instrument, type MapPlace } from '../src/instrument/index.js';
import { programs } from '../test/modules/programs.js';

/** From the parent: do so many steps. */
export interface StepsWanted {
  readonly steps: number;
}

/** To the parent: what was done, and what CPU time it took. First of all what was done to get warm. */
export interface StepsDone {
  readonly steps: number;
  readonly cpuMs: number;
}

const warmMs = 800;
/** After so many the program does the same again. */
const differentSteps = 30;

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Whatever is compiled from now on is instrumented. */
function instrumentAll(place: MapPlace, maxPages: number): void {
  const { Module, Instance } = WebAssembly;
  const compile = (source: BufferSource): WebAssembly.Module => {
    const bytes = ArrayBuffer.isView(source)
      ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
      : new Uint8Array(source);
    const plain = new Module(bytes);
    const names = [...Module.exports(plain), ...Module.imports(plain)];
    if (!names.some(({ kind }) => kind === 'memory')) return plain;
    return new Module(instrument(bytes, { place, maxPages }).wasm);
  };
  const instantiate = async (
    source: BufferSource | WebAssembly.Module,
    imports?: WebAssembly.Imports,
  ) => {
    if (source instanceof Module) return new Instance(source, imports);
    const module = compile(source);
    return { module, instance: new Instance(module, imports) };
  };
  Object.assign(WebAssembly, {
    Module: new Proxy(Module, { construct: (_, [source]) => compile(source) }),
    compile: async (source: BufferSource) => compile(source),
    instantiate,
  });
}

const [, , name = '', mode = ''] = process.argv;
const program = programs.find((one) => one.name === name);
if (program === undefined) throw new RangeError(`no program ${name}`);
if (mode === 'second-memory' || mode === 'behind-maximum') {
  instrumentAll(mode, program.pages ?? 512);
}
const step = await program.start();
let done = 0;

async function run(goesOn: (steps: number) => boolean): Promise<void> {
  const start = cpuMs();
  let steps = 0;
  for (; goesOn(steps); steps++) await step(done++ % differentSteps);
  const answer: StepsDone = { steps, cpuMs: cpuMs() - start };
  process.send?.(answer);
}

const warmUntil = cpuMs() + warmMs;
await run(() => cpuMs() < warmUntil);
process.on('message', ({ steps: wanted }: StepsWanted) => run((steps) => steps < wanted));
process.on('disconnect', () => process.exit());
