import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { newToken } from '../migration/trust.js';
import { Token } from '../transport/index.js';
import { controlFolder } from './control-folder.js';
import type { Output } from './output.js';
import { type Address, formatAddress } from './parse.js';
import { writeSecretFile } from './secret-file.js';

/** A token that a receiver made for itself, because it can be reached from elsewhere and was given none. */
export interface MadeToken {
  readonly token: string;
  readonly file: string;
}

/** Makes one, in a file that only this user can read. */
export async function makeToken(): Promise<MadeToken> {
  const token = newToken();
  const file = join(await controlFolder(), `${Token.parse(token).id}.token`);
  await writeSecretFile(file, `${token}\n`);
  return { token, file };
}

/** Says how to use it. The token itself is shown on a terminal only, and once. */
export function announceToken(
  { token, file }: MadeToken,
  { host, port }: Address,
  output: Pick<Output, 'json' | 'error' | 'event'>,
): void {
  output.event({ type: 'token', file });
  output.error(`made a token: ${file}`);
  const anyHost = ['0.0.0.0', '::'].includes(host) ? 'HOST' : host;
  const place = formatAddress({ host: anyHost, port });
  output.error(
    `take that file to the source, and there: pageferry send FILE ${place} --token-file TOKEN-FILE`,
  );
  if (!output.json && process.stderr.isTTY) {
    output.error(`or: PAGEFERRY_TOKEN=${token} pageferry send FILE ${place}`);
  }
}

export async function removeToken({ file }: MadeToken): Promise<void> {
  await unlink(file).catch(() => {});
}
