// Packages that only the benches need are installed beside them: npm install --prefix bench --no-package-lock.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

/** Finds packages of bench/node_modules. Seen from build/bench, where the compiled benches are. */
export const benchRequire: NodeJS.Require = createRequire(
  new URL('../../bench/package.json', import.meta.url),
);

/** Imports such a package; what it is said to be is the caller's word. */
export async function benchImport<T>(name: string): Promise<T> {
  return await import(pathToFileURL(benchRequire.resolve(name)).href);
}

/** What `load` gives; undefined, and a word why, where something is not installed. */
export function ifInstalled<T>(what: string, load: () => T): T | undefined {
  try {
    return load();
  } catch (error) {
    sayWhy(what, error);
    return undefined;
  }
}

/** The same of what comes later. */
export async function ifInstalledSoon<T>(
  what: string,
  load: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await load();
  } catch (error) {
    sayWhy(what, error);
    return undefined;
  }
}

function sayWhy(what: string, error: unknown): void {
  const reason = error instanceof Error ? error.message.split('\n')[0] : error;
  console.error(`  skipped: ${what}: ${reason}`);
}
