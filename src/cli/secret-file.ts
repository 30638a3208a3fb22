import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { UsageError } from './failure.js';

/** A key or token has some hundred bytes; whatever is larger is another file. */
const mostBytes = 16_384;
const othersMask = 0o077;
const tokenText = /^[\w-]{43}$/;

/** The text of a file that only its owner may read or write, who is this user or root. A UsageError, which says nothing of what is in it. */
export async function readSecretFile(path: string): Promise<string> {
  if (tokenText.test(path)) throw new UsageError('give the name of a file, not the token itself');
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw new UsageError(`cannot read ${path}`, { cause: error });
  });
  try {
    const { mode, size, uid } = await handle.stat();
    // Whoever owns it can change it at any time, and knows what is in it.
    if (uid !== 0 && uid !== (process.getuid?.() ?? uid)) {
      throw new UsageError(`${path} belongs to another user`);
    }
    if ((mode & othersMask) !== 0) {
      throw new UsageError(`${path} is open to others: chmod 600 ${path}`);
    }
    if (size > mostBytes) throw new UsageError(`${path} is too large for a secret`);
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

/** Writes a new file (0600) that nobody else can read; one that is there is not touched. A UsageError. */
export async function writeSecretFile(path: string, text: string): Promise<void> {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const handle = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600).catch(
    (error: unknown) => {
      throw new UsageError(`cannot make ${path}: ${codeOf(error)}`, { cause: error });
    },
  );
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
