import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const minutes = 60_000;

/** A fault planted in a copy of the product. Every `find` must stand in its file exactly once. */
interface Mutation {
  readonly name: string;
  readonly file: string;
  readonly changes: readonly { readonly find: string; readonly replace: string }[];
  /** The simulation that finds it; default: of migrations cut for good, flipped and forged. */
  readonly found?: 'resume' | 'lost-channels';
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
    file: 'assembly/capture.ts',
    changes: [
      { find: 'if (isKnown) {', replace: 'if (true) {' },
      { find: 'if (isKnown && hash === before) {', replace: 'if (hash === before) {' },
    ],
  },
  {
    name: 'a frame’s table is checked after its first run was written',
    file: 'src/codec/apply.ts',
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
    found: 'resume',
    changes: [{ find: 'for (const table of tables) this.#engine.forget(table);', replace: '' }],
  },
  {
    name: 'one frame more than was applied counts as acknowledged',
    file: 'src/migration/lanes.ts',
    found: 'resume',
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
    file: 'src/migration/destination-connections.ts',
    found: 'resume',
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
  ]) {
    await cp(name, join(copy, name), { recursive: true });
  }
  for (const test of ['simulation/mutations', 'evidence/evidence']) {
    await rm(join(copy, `test/${test}.test.ts`));
  }
  await symlink(resolve('node_modules'), join(copy, 'node_modules'));
  return copy;
}

/** Runs the simulation in `copy`, sampled: exit status 0 is true. */
async function simulationPasses(
  copy: string,
  found: 'simulation' | 'resume' | 'lost-channels' = 'simulation',
): Promise<{ readonly passes: boolean; readonly output: string }> {
  const sampled = { PAGEFERRY_CUT_STRIDE: '131', PAGEFERRY_NIGHTLY: '0' };
  const env = { ...process.env, ...sampled, PAGEFERRY_BUILT: '1', NO_COLOR: '1' };
  try {
    // One migration cut, flipped and forged everywhere finds them, or one that goes on; what the other simulations add are other writers and channels.
    const tests = `test/simulation/${found}.test.ts`;
    const args = ['node_modules/vitest/vitest.mjs', 'run', '--bail=1', '--retry=0', tests];
    const { stdout } = await run(process.execPath, args, { cwd: copy, env });
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
      const { passes, output } = await simulationPasses(copy);
      expect(output).toMatch(/Tests +\d+ passed/);
      expect(passes).toBe(true);
    },
    5 * minutes,
  );

  it.each(mutations.map((mutation) => [mutation.name, mutation] as const))(
    'is found: %s',
    async (_name, mutation) => {
      const restore = await plant(copy, mutation);
      try {
        const { passes, output } = await simulationPasses(copy, mutation.found);
        expect(passes).toBe(false);
        // It ran, and an expectation failed: the copy is not merely broken.
        expect(output).toMatch(/Tests +\d+ failed/);
      } finally {
        await restore();
      }
    },
    5 * minutes,
  );
});
