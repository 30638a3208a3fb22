import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/**
 * Compiles dist/ once before the tests: real-process tests run the command users run; and the processes that only tests have. PAGEFERRY_BUILT=1
 * says that both are there, or that the tests about to run do without them.
 */
export default function setup(): void {
  if (process.env['PAGEFERRY_BUILT'] === '1') return;
  if (!existsSync('src/core/kernels.wasm.ts')) {
    execFileSync('npm', ['run', '--silent', 'build:wasm'], { stdio: 'inherit' });
  }
  for (const script of ['build:ts', 'build:test']) {
    execFileSync('npm', ['run', '--silent', script], { stdio: 'inherit' });
  }
}
