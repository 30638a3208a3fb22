// Runs every example beside this file; one line each. Exit 1 if one fails.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(import.meta.url);
const folder = dirname(here);
const names = readdirSync(folder).filter(
  (name) => name.endsWith('.mjs') && name !== basename(here),
);
for (const name of names) {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [join(folder, name)], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  const failed = status !== 0;
  const said = stdout.trimEnd().split('\n').at(-1);
  console.log(`${failed ? 'FAILED' : 'ok'} ${name}: ${said || (signal ?? `exit ${status}`)}`);
  if (!failed) continue;
  process.stderr.write(stderr);
  process.exitCode = 1;
}
