import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { record } from '../evidence/record.js';
import type { Summary } from './schedule-run.js';

const run = promisify(execFile);
const minutes = 60_000;
const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
/** Schedules within which a planted fault is found. */
const most = 1000;

/** A fault planted in a copy of the product. Every `find` must stand in its file exactly once. */
interface Mutation {
  readonly name: string;
  readonly file: string;
  readonly changes: readonly { readonly find: string; readonly replace: string }[];
  /** The simulation that finds it, where schedules of accidents cannot: a frame is forged, or one channel is as slow as it must be. */
  readonly found?: 'simulation' | 'lost-channels';
  /** What finds it takes long: planted nightly only. */
  readonly rare?: true;
}

const mutations: readonly Mutation[] = [
  {
    name: 'COMMIT goes out before READY came',
    file: 'src/migration/source-machine.ts',
    changes: [
      {
        find: "state: { ...state, phase: 'preparing', ...agreed(event), repairs: 0 },\n        effects: [prepare(event, plan.generation(state.progress))],",
        replace:
          "state: { phase: 'committed', digest: event.digest },\n        effects: [prepare(event, plan.generation(state.progress)), { do: 'send', message: { type: 'COMMIT', digest: event.digest } }],",
      },
    ],
  },
  {
    name: 'equal pages are skipped although the destination is not known to hold them',
    rare: true,
    file: 'assembly/capture.ts',
    changes: [
      { find: 'if (isKnown) {', replace: 'if (true) {' },
      { find: 'if (isKnown && hash === before) {', replace: 'if (hash === before) {' },
    ],
  },
  {
    name: 'a frame’s table is checked after its first run was written',
    rare: true,
    file: 'src/codec/apply.ts',
    found: 'simulation',
    changes: [
      {
        find: "const code = runCount === -2 ? 'ERR_OUT_OF_RANGE' : 'ERR_FRAME_CORRUPT';",
        replace:
          "void this.#writer.write(this.#targets, 1); const code = runCount === -2 ? 'ERR_OUT_OF_RANGE' : 'ERR_FRAME_CORRUPT';",
      },
    ],
  },
  {
    name: 'pages that were lost keep their base',
    file: 'src/migration/pump.ts',
    changes: [
      {
        find: 'for (const table of tables) this.#engine.forget(table);\n    this.#engine.clearRing?.();',
        replace: 'this.#engine.clearRing?.();',
      },
    ],
  },
  {
    name: 'one frame more than was applied counts as acknowledged',
    file: 'src/migration/lanes.ts',
    changes: [
      {
        find: 'this.#lane(0).unacknowledged.acknowledged(appliedSeq);',
        replace: 'this.#lane(0).unacknowledged.acknowledged(appliedSeq + 1);',
      },
    ],
  },
  {
    name: 'pages of a lost channel move before the destination confirmed that it is closed',
    file: 'src/migration/lanes.ts',
    found: 'lost-channels',
    changes: [
      {
        find: 'this.#lane(channel).closing(this.#clock.now());',
        replace:
          'const lane = this.#lane(channel); const { tables } = lane.unacknowledged.take(); this.#closed.push({ channel, tables }); lane.closing(this.#clock.now());',
      },
    ],
  },
  {
    name: 'an older attempt goes on being heard',
    rare: true,
    file: 'src/migration/destination-connections.ts',
    changes: [
      { find: 'older?.destroy();', replace: 'void older;' },
      {
        find: 'if (this.#link === link) return this.#deps.onMessage(message, seq);',
        replace: 'return this.#deps.onMessage(message, seq);',
      },
    ],
  },
];

/** The whole source tree in a folder of its own, sharing what is installed. */
async function copyProduct(): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'pageferry-mutation-'));
  for (const name of [
    'src',
    'assembly',
    'test/simulation',
    'test/evidence',
    'test/reference',
    'test/build-once.ts',
    'vitest.config.ts',
    'package.json',
    'tsconfig.json',
    'tsconfig.fuzz.json',
  ]) {
    await cp(name, join(copy, name), { recursive: true });
  }
  for (const test of ['simulation/mutations', 'evidence/evidence']) {
    await rm(join(copy, `test/${test}.test.ts`));
  }
  await symlink(resolve('node_modules'), join(copy, 'node_modules'));
  return copy;
}

interface Ran {
  readonly passes: boolean;
  readonly output: string;
}

/** Runs a simulation in `copy`, sampled; default: of migrations cut, flipped and forged. */
function simulation(copy: string, found: Mutation['found'] = 'simulation'): Promise<Ran> {
  const sampled = { PAGEFERRY_CUT_STRIDE: '131', PAGEFERRY_NIGHTLY: '0', PAGEFERRY_BUILT: '1' };
  const tests = `test/simulation/${found}.test.ts`;
  return ran(copy, sampled, ['vitest/vitest.mjs', 'run', '--bail=1', '--retry=0', tests]);
}

/** Runs so many schedules in `copy`, from seed 1 on, or as many as it takes to find a fault. */
async function schedules(copy: string, count: number): Promise<Summary> {
  // What a mutation leaves unused is no matter here.
  await ran(copy, {}, ['typescript/bin/tsc', '-p', 'tsconfig.fuzz.json']);
  const main = '../build/test/simulation/main.js';
  const args = ['--json', '--seed=1', `--count=${count}`, '--threads=1', '--first-fault'];
  const { output } = await ran(copy, {}, [main, ...args]);
  return JSON.parse(output);
}

/** Runs a program of `copy`, named by where it is below node_modules: exit status 0 passes. */
async function ran(
  copy: string,
  environment: Readonly<Record<string, string>>,
  [program = '', ...args]: readonly string[],
): Promise<Ran> {
  const env = { ...process.env, ...environment, NO_COLOR: '1' };
  try {
    const options = { cwd: copy, env, maxBuffer: 1 << 24 };
    const { stdout } = await run(
      process.execPath,
      [join('node_modules', program), ...args],
      options,
    );
    return { passes: true, output: stdout };
  } catch (error) {
    const output =
      error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error);
    return { passes: false, output };
  }
}

/** Changes the copy, and rebuilds its kernels where they are meant; the returned function undoes it. */
async function plant(copy: string, mutation: Mutation): Promise<() => Promise<void>> {
  const changed = [mutation.file, 'src/core/kernels.wasm.ts'].map((file) => join(copy, file));
  const originals = await Promise.all(changed.map((path) => readFile(path, 'utf8')));
  let text = originals[0] ?? '';
  for (const { find, replace } of mutation.changes) {
    expect(text.split(find)).toHaveLength(2);
    text = text.replace(find, () => replace);
  }
  await writeFile(join(copy, mutation.file), text);
  if (mutation.file.startsWith('assembly/')) {
    await run(process.execPath, ['assembly/build.mjs'], { cwd: copy });
  }
  return async () => {
    await Promise.all(changed.map((path, at) => writeFile(path, originals[at] ?? '')));
  };
}

describe('a fault planted in the product', () => {
  let copy = '';
  beforeAll(async () => {
    copy = await copyProduct();
  });
  afterAll(() => rm(copy, { recursive: true, force: true }));

  it(
    'is what makes the simulation fail: without one it passes',
    async () => {
      const { passes, output } = await simulation(copy);
      expect(output).toMatch(/Tests +\d+ passed/);
      expect(passes).toBe(true);
      expect((await schedules(copy, nightly ? most : most / 4)).faults).toEqual([]);
    },
    5 * minutes,
  );

  it.for(mutations.filter(({ found, rare }) => found === undefined && (nightly || !rare)))(
    `is found within ${most} schedules: $name`,
    { timeout: 10 * minutes },
    async (mutation, { task }) => {
      const restore = await plant(copy, mutation);
      try {
        const { schedules: after, faults } = await schedules(copy, most);
        const counts = { schedules: after };
        record(task, { what: `schedules until found: ${mutation.name}`, seeds: [1], counts });
        console.log(`found after ${after} schedules: ${faults[0]?.what}`);
        expect(faults).not.toEqual([]);
      } finally {
        await restore();
      }
    },
  );

  it.for(mutations.filter(({ found, rare }) => found !== undefined && (nightly || !rare)))(
    'is found by the simulation made for it: $name',
    { timeout: 5 * minutes },
    async (mutation) => {
      const restore = await plant(copy, mutation);
      try {
        const { passes, output } = await simulation(copy, mutation.found);
        expect(passes).toBe(false);
        // It ran, and an expectation failed: the copy is not merely broken.
        expect(output).toMatch(/Tests +\d+ failed/);
      } finally {
        await restore();
      }
    },
  );
});
