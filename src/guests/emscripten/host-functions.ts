import type { ProgramInstance } from './instance.js';

/**
 * The functions of JavaScript that the glue put into the program's table (`addFunction`), by where they are in it and how many parameters they have: the same at both ends,
 * which started alike. An engine names functions of a module by their index; that of one made for a function of JavaScript is 0, where a program's own are behind its imports.
 */
export function hostFunctionsOf({ exports }: ProgramInstance): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const table of Object.values(exports)) {
    if (!(table instanceof WebAssembly.Table)) continue;
    for (let index = 0; index < table.length; index++) {
      const entry: unknown = table.get(index);
      if (typeof entry !== 'function' || entry.name !== '0') continue;
      found.set(`addFunction ${index} of ${entry.length}`, entry);
    }
  }
  return found;
}
