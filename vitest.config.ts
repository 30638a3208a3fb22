import { defineConfig } from 'vitest/config';

/** Where CI wants the runner's counts as JSON, beside what is printed. */
const report = process.env['PAGEFERRY_REPORT'];

export default defineConfig({
  test: {
    ...(report === undefined
      ? {}
      : { reporters: ['default', 'json'], outputFile: { json: report } }),
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/build-once.ts'],
    testTimeout: 30_000,
    // Real processes on a shared machine can be starved for seconds; what fails three times is broken.
    retry: process.env['CI'] === 'true' ? 2 : 0,
    coverage: {
      provider: 'v8',
      include: ['src/**'],
      exclude: ['src/core/kernels.wasm.ts', 'src/cli/**'],
    },
  },
});
