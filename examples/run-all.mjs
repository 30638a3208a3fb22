// Runs every example beside this file, two at a time; one line each. Exit 1 if one fails.
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(import.meta.url);
const folder = dirname(here);
const waiting = readdirSync(folder).filter(
  (name) => name.endsWith('.mjs') && name !== basename(here),
);

function run(name) {
  return new Promise((resolve) => {
    const options = { encoding: 'utf8', timeout: 60_000 };
    execFile(process.execPath, [join(folder, name)], options, (error, stdout, stderr) => {
      const said = stdout.trimEnd().split('\n').at(-1);
      const end = error?.signal ?? `exit ${error?.code ?? 0}`;
      console.log(`${error ? 'FAILED' : 'ok'} ${name}: ${said || end}`);
      if (error) {
        process.stderr.write(stderr);
        process.exitCode = 1;
      }
      resolve();
    });
  });
}

/** They wait for each other's processes more than they compute. */
async function runInTurn() {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await run(name);
}
await Promise.all([runInTurn(), runInTurn()]);
