// npm run bench [-- NAME...] [--json FILE] [--table]: runs the named suites, or all of them.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import type { Result, Suite } from './harness.js';
import { formatLine, formatTable } from './report.js';

/** Every suite there is: NAME stands for bench/NAME.bench.ts. */
const names = [
  'scan',
  'hash',
  'xbzrle',
  'capture',
  'lz4',
  'pipeline',
  'downtime',
  'link',
  'adaptive',
];

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' }, table: { type: 'boolean', default: false } },
});

for (const name of positionals) {
  if (!names.includes(name)) {
    console.error(`no suite ${name}; there are ${names.join(', ')}`);
    process.exit(2);
  }
}

const results: Result[] = [];
for (const name of positionals.length > 0 ? positionals : names) {
  const { suite }: { suite: Suite } = await import(`./${name}.bench.js`);
  console.error(`\n${name}: ${suite.question}`);
  for await (const result of suite.run()) {
    console.error(formatLine(result));
    results.push(result);
  }
}

if (options.table) console.log(formatTable(results));
if (options.json !== undefined) {
  const report = { machine: machine(), node: process.version, commit: commit(), results };
  writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
}

function machine(): string {
  const all = cpus();
  const gib = Math.round(totalmem() / 2 ** 30);
  return `${all.length} x ${all[0]?.model.trim()}, ${gib} GiB, ${process.platform} ${process.arch}`;
}

/** The commit measured, "-dirty" where the tree differs from it; "unknown" outside a checkout. */
function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty', '--abbrev=12'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'unknown';
  }
}
