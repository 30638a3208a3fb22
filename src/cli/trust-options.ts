import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import type { TrustOptions } from '../migration/trust.js';
import { isLoopbackHost } from '../transport/index.js';
import { UsageError } from './failure.js';
import type { Output } from './output.js';
import type { Address } from './parse.js';
import { readSecretFile } from './secret-file.js';

/** How a command's user says whom to trust. */
export interface TrustArguments {
  readonly tokenFile?: string;
  readonly tlsDir?: string;
  readonly allow?: readonly string[];
  readonly insecure?: true;
}

const tokenVariable = 'PAGEFERRY_TOKEN';

/** No option takes a token itself: who else is on this machine sees the arguments of its processes. */
export function addTrust(command: Command, insecure: string): Command {
  return command
    .addOption(
      new Option(
        '--token-file <FILE>',
        'a token both sides have; or in PAGEFERRY_TOKEN: TLS 1.3',
      ).conflicts(['tlsDir', 'insecure']),
    )
    .addOption(
      new Option('--tls-dir <DIR>', 'ca.pem, cert.pem and key.pem: mutual TLS 1.3').conflicts(
        'insecure',
      ),
    )
    .option('--allow <NAME...>', 'with --tls-dir: names the other certificate may have')
    .option('--insecure', insecure);
}

/** What those options come to, between here and `places`. A UsageError where a file is missing, malformed or open to others. */
export async function readTrust(
  options: TrustArguments,
  places: readonly Address[],
  output: Pick<Output, 'error'>,
): Promise<TrustOptions> {
  const { tokenFile, tlsDir, allow, insecure } = options;
  const inherited = takeVariable();
  if (allow !== undefined && tlsDir === undefined) throw new UsageError('--allow needs --tls-dir');
  if (inherited !== undefined && (tokenFile ?? tlsDir ?? insecure) !== undefined) {
    const instead = insecure ? '--insecure' : tlsDir === undefined ? '--token-file' : '--tls-dir';
    output.error(`pageferry: ${tokenVariable} is set and not used: there is ${instead}`);
  }
  if (tokenFile !== undefined) return { token: await readSecretFile(tokenFile) };
  if (tlsDir !== undefined) {
    const [ca, cert, key] = await Promise.all([
      readPlain(join(tlsDir, 'ca.pem')),
      readPlain(join(tlsDir, 'cert.pem')),
      readSecretFile(join(tlsDir, 'key.pem')),
    ]);
    return { tls: { ca, cert, key, allow } };
  }
  if (insecure === true) {
    if (await leavesHere(places)) {
      output.error('pageferry: --insecure: nothing is authenticated or encrypted');
    }
    return { insecure };
  }
  return inherited === undefined ? {} : { token: inherited };
}

/** Whether any of the places is, or can be reached from, another machine. */
export async function leavesHere(places: readonly Address[]): Promise<boolean> {
  const here = await Promise.all(places.map(({ host }) => isLoopbackHost(host)));
  return here.includes(false);
}

/** The token of the environment, which programs started from here do not inherit. */
function takeVariable(): string | undefined {
  const token = process.env[tokenVariable];
  delete process.env[tokenVariable];
  return token === '' ? undefined : token;
}

function readPlain(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    throw new UsageError(`cannot read ${path}`, { cause: error });
  });
}
