import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';

/** The .d.ts files that `entries` import, directly or not, and their own; as paths in `directory`. Entries are paths without extension. */
export async function reachedDeclarations(directory, entries) {
  const reached = new Set(entries);
  for (const name of reached) {
    const text = await readFile(join(directory, `${name}.d.ts`), 'utf8');
    for (const [, path] of text.matchAll(/\b(?:from|import\()\s*'(\.[^']*)\.js'/g)) {
      reached.add(posix.join(posix.dirname(name), path));
    }
  }
  return [...reached].map((name) => `${name}.d.ts`);
}
