import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { EvidenceReporter } from './test/evidence/reporter.js';

/** Where CI wants the runner's counts as JSON, beside what is printed. */
const report = process.env['PAGEFERRY_REPORT'];
const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
/** Where properties begin: given, or in nightly runs kept with their evidence. */
const seed = process.env['PAGEFERRY_SEED'] ?? (nightly ? String(randomInt(2 ** 31)) : undefined);

export default defineConfig({
  test: {
    reporters: [
      'default',
      ...(report === undefined ? [] : ['json' as const]),
      ...(nightly ? [new EvidenceReporter('docs/evidence.json', Number(seed))] : []),
    ],
    ...(report === undefined ? {} : { outputFile: { json: report } }),
    ...(seed === undefined ? {} : { env: { PAGEFERRY_SEED: seed } }),
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/build-once.ts'],
    setupFiles: ['test/evidence/property-seed.ts'],
    testTimeout: nightly ? 900_000 : 30_000,
    // Tests of real processes wait more than they compute: on two cores one file at a time would leave both idle.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Real processes on a shared machine can be starved for seconds; what fails three times is broken.
    retry: process.env['CI'] === 'true' || nightly ? 2 : 0,
    coverage: {
      provider: 'v8',
      include: ['src/**'],
      exclude: ['src/core/kernels.wasm.ts', 'src/cli/**'],
    },
  },
});
