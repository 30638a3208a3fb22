import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { FerryError } from '../../errors.js';
import { instrument } from '../../instrument/index.js';
import { placeBesideGlue } from '../emscripten/growth.js';
import type { PgliteClass } from './types.js';

const packageName = '@electric-sql/pglite';
const programFile = 'pglite.wasm';

/** The package as it is installed. */
export interface PglitePackage {
  readonly PGlite: PgliteClass;
  /** Its program with names for all its state, and a write log where the engine has a place for that. */
  readonly program: Uint8Array<ArrayBuffer>;
}

const instrumented = new Map<string, Uint8Array<ArrayBuffer>>();

/**
 * Finds the package where the process works, or else beside this one, and instruments its program, once a process. ERR_UNSUPPORTED where it is not installed, or not as this knows it.
 */
export async function loadPglite(given?: PgliteClass): Promise<PglitePackage> {
  const path = findPackage();
  const PGlite = given ?? (await importClass(path));
  return { PGlite, program: programOf(join(dirname(path), programFile)) };
}

function programOf(path: string): Uint8Array<ArrayBuffer> {
  const known = instrumented.get(path);
  if (known !== undefined) return known;
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new FerryError(
      'ERR_UNSUPPORTED',
      `the ${packageName} that is installed has no ${programFile} beside its entry: npm install ${packageName}@^0.5.16`,
      { cause },
    );
  }
  const { wasm } = instrument(bytes, { place: placeBesideGlue() });
  instrumented.set(path, wasm);
  return wasm;
}

function findPackage(): string {
  const bases = [join(process.cwd(), 'package.json'), import.meta.url];
  let cause: unknown;
  for (const base of bases) {
    try {
      return createRequire(base).resolve(packageName);
    } catch (error) {
      cause = error;
    }
  }
  throw new FerryError(
    'ERR_UNSUPPORTED',
    `the pglite guest needs ${packageName}: npm install ${packageName}`,
    { cause },
  );
}

async function importClass(path: string): Promise<PgliteClass> {
  const { PGlite } = (await import(pathToFileURL(path).href)) as { PGlite: PgliteClass };
  return PGlite;
}
