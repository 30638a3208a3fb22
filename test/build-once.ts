import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/**
 * Compiles dist/ once before the tests: real-process tests run the command users run. PAGEFERRY_BUILT=1 says that it is there, or that
 * the tests about to run do without it.
 */
export default function setup(): void {
  if (process.env['PAGEFERRY_BUILT'] === '1') return;
  if (!existsSync('src/core/kernels.wasm.ts')) {
    execFileSync('npm', ['run', '--silent', 'build:wasm'], { stdio: 'inherit' });
  }
  execFileSync('npm', ['run', '--silent', 'build:ts'], { stdio: 'inherit' });
}
