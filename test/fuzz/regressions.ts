import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Finding } from './run.js';

/** From the root of the project, where npm runs scripts and tests. */
export const regressionFolder = 'test/fuzz/regressions';

/** An input that once was a finding: of the product, or of a fault that was planted in it to see whether it is found. */
export interface Regression {
  readonly file: string;
  readonly target: string;
  readonly input: Uint8Array;
}

/** Keeps the finding's input to be run in every test; returns the file. */
export function keepRegression(
  { target, input }: Pick<Finding, 'target' | 'input'>,
  folder: string = regressionFolder,
): string {
  const hash = createHash('sha256').update(input).digest('hex').slice(0, 12);
  const file = join(folder, `${target}-${hash}.bin`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, input);
  return file;
}

/** Every input that was ever kept; none where there is no folder. */
export function regressions(folder: string = regressionFolder): Regression[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.bin'))
    .map((file) => ({
      file,
      target: file.slice(0, file.lastIndexOf('-')),
      input: new Uint8Array(readFileSync(join(folder, file))),
    }));
}
