import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { memoryRegion } from '../src/guests/memory-region.js';
import { WriteLog } from '../src/guests/wasm/write-log.js';
import { instrument, type MapPlace } from '../src/instrument/index.js';
import { hasMultiMemory } from '../src/instrument/place.js';
import { DirtyBitmap } from '../src/memory/bitmap.js';
import { type Program, programs } from '../test/modules/programs.js';
import { benchRequire, ifInstalled } from './bench-packages.js';
import { median, ofRounds, type Result, result, type Suite } from './harness.js';
import type { StepsDone, StepsWanted } from './write-log-process.js';

const processFile = fileURLToPath(new URL('write-log-process.js', import.meta.url));
const rounds = 7;
/** CPU time of one process in one round. */
const roundMs = 200;
const pageBytes = 4096;
/** One page in so many was written since the last look. */
const writtenEvery = 1000;
/** Bytes of WebAssembly that are rewritten: of Go, C and C++. */
const modules = [
  'esbuild-wasm/esbuild.wasm',
  '@electric-sql/pglite/dist/pglite.wasm',
  'sql.js/dist/sql-wasm.wasm',
  'brotli-wasm/pkg.node/brotli_wasm_bg.wasm',
  '@dqbd/tiktoken/lite/tiktoken_bg.wasm',
];

interface Engine {
  readonly name: string;
  readonly node: string;
  readonly place: MapPlace;
}

export const suite: Suite = {
  question: 'What does a write log cost the programs that have one, and what does it save?',
  async *run() {
    for (const engine of engines()) yield* overheads(engine);
    for (const path of modules) yield* rewriting(path);
    for (const mebibytes of [64, 512, 2048]) yield finding(mebibytes);
  },
};

/** Each has the best place for a map that it knows. */
function engines(): Engine[] {
  const others = ['node22', 'node24'].flatMap((name) => {
    const node = ifInstalled(name, () => benchRequire.resolve(`${name}/bin/node`));
    return node === undefined ? [] : [{ name, node, place: 'second-memory' as const }];
  });
  const version = Number(process.versions.node.split('.')[0]);
  const place = hasMultiMemory() ? 'second-memory' : 'behind-maximum';
  const own: Engine = { name: `node${version}`, node: process.execPath, place };
  return [own, ...others.filter(({ name }) => name !== own.name)];
}

/** Each program beside itself without a log: CPU time of a step, both in every round. */
async function* overheads({ name, node, place }: Engine): AsyncGenerator<Result> {
  const ratios: number[] = [];
  for (const program of programs) {
    if (program.importsMemory === true && place === 'behind-maximum') continue;
    const { plain, logged } = await compare(program, node, place);
    const measured = ofRounds(`write-log/${name}-${program.name}`, 'ms', 'lower', logged, {
      'without a log': plain,
    });
    ratios.push(...measured.versus.map(({ ratio }) => 1 / ratio));
    yield measured;
  }
  const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
  yield result(`write-log/${name}-geometric-mean`, 'x', 'lower', mean, {});
  yield result(`write-log/${name}-worst`, 'x', 'lower', Math.max(...ratios), {});
}

async function compare(
  { name }: Program,
  node: string,
  place: MapPlace,
): Promise<{ plain: number[]; logged: number[] }> {
  const start = (mode: string): ChildProcess => fork(processFile, [name, mode], { execPath: node });
  const children = { plain: start('plain'), logged: start(place) };
  const times = { plain: [] as number[], logged: [] as number[] };
  try {
    const [warm] = await Promise.all([answer(children.plain), answer(children.logged)]);
    const steps = Math.max(2, Math.round((warm.steps * roundMs) / warm.cpuMs));
    for (let round = 0; round < rounds; round++) {
      const order = (['plain', 'logged'] as const).toSorted(() => (round % 2 === 0 ? 1 : -1));
      for (const which of order) {
        const wanted: StepsWanted = { steps };
        const done = answer(children[which]);
        children[which].send(wanted);
        times[which].push((await done).cpuMs / steps);
      }
    }
  } finally {
    for (const child of Object.values(children)) if (child.connected) child.disconnect();
  }
  return times;
}

async function answer(child: ChildProcess): Promise<StepsDone> {
  const settled = new AbortController();
  const { signal } = settled;
  try {
    const [done]: StepsDone[] = await Promise.race([
      once(child, 'message', { signal }),
      once(child, 'exit', { signal }).then(() => []),
    ]);
    if (done === undefined) throw new Error('the program ended');
    return done;
  } finally {
    settled.abort();
  }
}

/** How fast a module is rewritten, and what it becomes. */
async function* rewriting(path: string): AsyncGenerator<Result> {
  const bytes = ifInstalled(
    path,
    () => new Uint8Array(readFileSync(join('test/modules/node_modules', path))),
  );
  if (bytes === undefined) return;
  const [name] = path.replace('@', '').split(/\/(?:dist|pkg|lite|esbuild)/);
  const places = ['second-memory', 'behind-maximum'] as const;
  for (const place of places) {
    const out = ifInstalled(`${path}, map ${place}`, () => instrument(bytes, { place }).wasm);
    if (out === undefined) continue;
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const start = process.cpuUsage();
      instrument(bytes, { place });
      const { user, system } = process.cpuUsage(start);
      times.push((user + system) / 1000);
    }
    const speed = bytes.length / 1000 / median(times);
    yield result(`write-log/rewrite-${name}-${place}`, 'MB/s', 'higher', speed, {});
    yield result(`write-log/size-${name}-${place}`, 'x', 'lower', out.length / bytes.length, {});
  }
}

/** The written pages of a memory, by its log and by comparing it with what it was. */
function finding(mebibytes: number): Result {
  const bytes = mebibytes * 2 ** 20;
  const pages = bytes / pageBytes;
  const memory = Buffer.alloc(bytes, 1);
  const shadow = Buffer.alloc(bytes, 1);
  const map = new Uint8Array(pages);
  const log = new WriteLog(() => [map]);
  const region = memoryRegion({ name: 'memory', bytes: () => memory });
  const found = DirtyBitmap.create(pages);
  const times = { log: [] as number[], scan: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    for (let page = round; page < pages; page += writtenEvery) map[page] = 1;
    const start = performance.now();
    log.moveTo(region, found);
    const between = performance.now();
    let changed = 0;
    for (let at = 0; at < bytes; at += pageBytes) {
      changed += memory.compare(shadow, at, at + pageBytes, at, at + pageBytes) === 0 ? 0 : 1;
    }
    if (changed > 0) throw new Error('nothing was changed');
    times.log.push(between - start);
    times.scan.push(performance.now() - between);
  }
  return ofRounds(`write-log/find-${mebibytes}MiB`, 'ms', 'lower', times.log, {
    'compared with a shadow': times.scan,
  });
}
