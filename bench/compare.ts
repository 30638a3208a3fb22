// npm run bench:compare OLD NEW: two files of `bench --json`. Exits 1 if a ratio to a peer fell by more than a tenth; ratios, because both
// sides of one were measured in the same minute.
import { readFileSync } from 'node:fs';
import type { Result } from './harness.js';

const allowedLoss = 0.1;

interface Report {
  readonly results: readonly Result[];
}

function ratios(file: string): Map<string, number> {
  const { results }: Report = JSON.parse(readFileSync(file, 'utf8'));
  return new Map(
    results.flatMap(({ name, versus }) =>
      versus.map(({ peer, ratio }) => [`${name} against ${peer}`, ratio] as const),
    ),
  );
}

const [oldFile, newFile] = process.argv.slice(2);
if (oldFile === undefined || newFile === undefined) {
  console.error('usage: npm run bench:compare OLD.json NEW.json');
  process.exit(2);
}
const before = ratios(oldFile);
for (const [what, ratio] of ratios(newFile)) {
  const old = before.get(what);
  if (old === undefined) continue;
  const change = ratio / old - 1;
  const isRegression = change < -allowedLoss;
  if (isRegression) process.exitCode = 1;
  const percent = `${change < 0 ? '' : '+'}${(change * 100).toFixed(0)} %`;
  console.log(`${isRegression ? 'worse' : '     '}  ${percent.padStart(6)}  ${what}`);
}
