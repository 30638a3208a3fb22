import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Compiles dist/ once before the tests: real-process tests run the command users run. */
export default function setup(): void {
  if (!existsSync('src/core/kernels.wasm.ts')) {
    execFileSync('npm', ['run', '--silent', 'build:wasm'], { stdio: 'inherit' });
  }
  execFileSync('npm', ['run', '--silent', 'build:ts'], { stdio: 'inherit' });
}
