// npm run bench [-- NAME...] [--json FILE] [--from FILE] [--table] [--docs]: runs the named suites, or all of them.
// --json: keeps the results. --from, once or more: takes what --json wrote instead of measuring. --table: prints what has a goal, beside its peers.
// --docs: keeps the results in docs/performance.json, and makes the pictures and tables of the pages from them.
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { keep, rendered } from './documents.js';
import type { Result, Suite } from './harness.js';
import { formatLine, joined, type Report, reportOf } from './report.js';
import { formatTable } from './tables.js';

/** Every suite there is: NAME stands for bench/NAME.bench.ts. */
const names = [
  'limits',
  'scan',
  'hash',
  'xbzrle',
  'capture',
  'lz4',
  'delta-bytes',
  'bytes',
  'pipeline',
  'profile',
  'downtime',
  'busy',
  'link',
  'resume',
  'held',
  'adaptive',
  'size',
  'workers',
  'predict',
  'order',
  'write-log',
  'hooks',
  'snapshot',
  'cold',
  'replication',
];

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'string' },
    from: { type: 'string', multiple: true },
    table: { type: 'boolean', default: false },
    docs: { type: 'boolean', default: false },
  },
});

for (const name of positionals) {
  if (!names.includes(name)) {
    console.error(`no suite ${name}; there are ${names.join(', ')}`);
    process.exit(2);
  }
}

const report: Report =
  options.from === undefined ? await measure() : joined(options.from.map(read));
keepIn(options.json, report);
if (options.table) console.log(formatTable(report.results));
if (options.docs) {
  // From build/bench, where the compiled benches are.
  const root = new URL('../../', import.meta.url);
  const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
  for (const [path, text] of rendered(report, read)) writeFileSync(new URL(path, root), text);
}

async function measure(): Promise<Report> {
  const results: Result[] = [];
  for (const name of positionals.length > 0 ? positionals : names) {
    const { suite }: { suite: Suite } = await import(`./${name}.bench.js`);
    console.error(`\n${name}: ${suite.question}`);
    for await (const result of suite.run()) {
      console.error(formatLine(result));
      results.push(result);
      // A long run that is cut short has not been for nothing.
      keepIn(options.json, reportOf(results));
    }
  }
  return reportOf(results);
}

function keepIn(file: string | undefined, report: Report): void {
  if (file !== undefined) writeFileSync(file, keep(report));
}

function read(file: string): Report {
  return JSON.parse(readFileSync(file, 'utf8'));
}
