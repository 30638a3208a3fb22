import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { type Evidence, type RanTest, withRun } from './evidence.js';
import { record } from './record.js';
import { readEvidence } from './reporter.js';

const source = { commit: 'c1', node: 'v20', propertySeed: 5 };
const later = { ...source, commit: 'c2' };

function ran(file: string, name: string, figures: RanTest['figures'] = []): RanTest {
  return { file, name, state: 'passed', figures };
}

function whats({ entries }: Evidence): string[] {
  return entries.map(({ file, what, commit }) => `${file} ${what} ${commit}`);
}

describe('the evidence of a run', () => {
  const demo = (seed: number, lost: number): RanTest =>
    ran('b.test.ts', `demo ${seed}`, [{ what: 'demo', seeds: [seed], counts: { demos: 1, lost } }]);

  it('sums up tests that did the same, with all their seeds, and says which failed', () => {
    const failed: RanTest = { ...demo(1, 2), state: 'failed' };
    const cut = ran('a.test.ts', 'cut', [{ what: 'cut', counts: { cuts: 9 } }]);
    const evidence = withRun(undefined, source, [demo(2, 0), failed, cut, ran('a.test.ts', 'x')]);
    expect(evidence.entries).toEqual([
      {
        ...source,
        file: 'a.test.ts',
        what: 'cut',
        seeds: [],
        counts: { cuts: 9 },
        passed: 1,
        failed: 0,
      },
      {
        ...source,
        file: 'b.test.ts',
        what: 'demo',
        seeds: [1, 2],
        counts: { demos: 2, lost: 2 },
        passed: 1,
        failed: 1,
      },
    ]);
    expect(evidence.totals).toEqual({ cuts: 9, demos: 2, lost: 2 });
    expect(evidence.lastRun).toEqual({
      ...source,
      passed: 3,
      failed: 1,
      skipped: 0,
      failures: ['b.test.ts > demo 1'],
    });
  });

  it('keeps what is known of files that did not run, or not whole, and nothing else', () => {
    const cut = (what: string): RanTest => ran('a.test.ts', what, [{ what, counts: { cuts: 1 } }]);
    const before = withRun(undefined, source, [cut('near'), cut('far'), demo(1, 0)]);
    const whole = withRun(before, later, [cut('near')]);
    expect(whats(whole)).toEqual(['a.test.ts near c2', 'b.test.ts demo c1']);
    const skipped: RanTest = { ...ran('a.test.ts', 'far'), state: 'skipped' };
    const partly = withRun(before, later, [cut('near'), skipped]);
    expect(whats(partly)).toEqual(['a.test.ts far c1', 'a.test.ts near c2', 'b.test.ts demo c1']);
  });

  it('takes what a test noted when it was tried last', () => {
    const task = { meta: {} };
    record(task, { what: 'demo', counts: { lost: 1 } }, { what: 'cut', counts: {} });
    record(task, { what: 'demo', counts: { lost: 0 } });
    expect(task.meta).toEqual({
      evidence: [
        { what: 'cut', counts: {} },
        { what: 'demo', counts: { lost: 0 } },
      ],
    });
  });
});

describe('the recorder of nightly runs', () => {
  it('writes what the tests of a real run recorded, failures too, in place of what was there', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pageferry-evidence-'));
    const from = (name: string): string => JSON.stringify(resolve('test/evidence', name));
    await writeFile(
      join(folder, 'some.test.ts'),
      `import { expect, it } from ${JSON.stringify(resolve('node_modules/vitest/dist/index.js'))};
      import { record } from ${from('record.ts')};
      import fc from ${JSON.stringify(import.meta.resolve('fast-check'))};
      it('begins properties where it is told', () => {
        expect(fc.readConfigureGlobal().seed).toBe(77);
      });
      it.for([1, 2])('runs %i', (seed, { task }) => {
        record(task, { what: 'runs', seeds: [seed], counts: { runs: 1 } });
        expect(seed).toBe(1);
      });`,
    );
    await writeFile(
      join(folder, 'vitest.config.ts'),
      `import { EvidenceReporter } from ${from('reporter.ts')};
      const reporter = new EvidenceReporter('evidence.json', 77);
      export default { test: {
        reporters: [reporter],
        include: ['*.test.ts'],
        env: { PAGEFERRY_SEED: '77' },
        setupFiles: [${from('property-seed.ts')}],
      } };`,
    );
    const vitest = resolve('node_modules/vitest/vitest.mjs');
    await promisify(execFile)(process.execPath, [vitest, 'run'], { cwd: folder }).catch(() => {
      // One of its tests fails, as it should.
    });
    const evidence = readEvidence(join(folder, 'evidence.json'));
    expect(evidence?.entries).toEqual([
      {
        file: 'some.test.ts',
        what: 'runs',
        seeds: [1, 2],
        counts: { runs: 2 },
        passed: 1,
        failed: 1,
        commit: 'unknown',
        node: process.version,
        propertySeed: 77,
      },
    ]);
    expect(evidence?.lastRun).toMatchObject({
      passed: 2,
      failures: ['some.test.ts > runs 2'],
    });
    expect((await readdir(folder)).some((name) => name.includes('partial'))).toBe(false);
    expect((await readFile(join(folder, 'evidence.json'), 'utf8')).at(-1)).toBe('\n');
    await rm(folder, { recursive: true });
  });
});
