import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { Authority } from './authority.js';
import { conduct, type Stage } from './conduct.js';
import { UsageError } from './failure.js';
import { parsePositive } from './parse.js';
import { readSecretFile, writeSecretFile } from './secret-file.js';

interface KeysOptions {
  readonly name?: readonly string[];
  readonly days: number;
  readonly json?: true;
}

const defaultNames = ['source', 'destination'];
const defaultDays = 365;

export function addKeys(program: Command): void {
  program
    .command('keys')
    .description(
      'Make a certificate authority, and certificates for both ends of a first mutual TLS.',
    )
    .argument(
      '<DIR>',
      'where the authority is, or will be; each name gets a folder of its own there',
    )
    .option(
      '--name <NAME...>',
      'hosts, or other names (default: source, destination)',
      collectNames,
    )
    .option('--days <N>', 'how long the certificates are good', parsePositive, defaultDays)
    .option('--json', 'events as NDJSON on stdout')
    .addHelpText(
      'after',
      '\nExample:\n  $ pageferry keys keys --name here.example there.example\n  $ pageferry receive --listen there.example:4711 --out copy.img --tls-dir keys/there.example',
    )
    .action((folder: string, options: KeysOptions) =>
      conduct(options.json === true, 'source', (stage) => makeKeys(folder, options, stage)),
    );
}

async function makeKeys(folder: string, options: KeysOptions, { output }: Stage): Promise<void> {
  const { name: names = defaultNames, days } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw new UsageError(`cannot make ${folder}`, { cause: error });
  });
  const authority = await openAuthority(folder);
  for (const name of names) {
    const place = join(folder, name);
    await mkdir(place, { mode: 0o700 }).catch((error: unknown) => {
      throw new UsageError(`${place} is there already, or cannot be made`, { cause: error });
    });
    const { cert, key } = await authority.issue(name, days);
    await writeSecretFile(join(place, 'key.pem'), key);
    await writeFile(join(place, 'cert.pem'), cert);
    await writeFile(join(place, 'ca.pem'), authority.pem);
    output.event({ type: 'issued', name, folder: place, days });
    output.line(
      `${place}: a certificate for ${name}, good for ${days} days; use it with --tls-dir`,
    );
  }
  output.line(
    `keep ${join(folder, 'ca-key.pem')} where nobody else reads it: it makes more of them`,
  );
}

async function openAuthority(folder: string): Promise<Authority> {
  // No other command should wait for the library behind it to be read.
  const { Authority } = await import('./authority.js');
  const certPath = join(folder, 'ca.pem');
  const keyPath = join(folder, 'ca-key.pem');
  const cert = await readFile(certPath, 'utf8').catch(() => undefined);
  if (cert !== undefined) {
    const key = await readSecretFile(keyPath);
    return Authority.open({ cert, key }).catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      throw new UsageError(`${certPath} and ${keyPath} are no authority: ${why}`, { cause: error });
    });
  }
  const { authority, issued } = await Authority.make();
  await writeSecretFile(keyPath, issued.key);
  await writeFile(certPath, issued.cert, { flag: 'wx' });
  return authority;
}

/** DNS names and addresses: what a certificate can be for, and a folder can be called. */
function collectNames(text: string, before: readonly string[] = []): readonly string[] {
  if (!/^[a-z0-9][a-z0-9.:_-]{0,63}$/i.test(text)) {
    throw new InvalidArgumentError('give names of hosts, addresses, or other words without spaces');
  }
  return [...before, text];
}
