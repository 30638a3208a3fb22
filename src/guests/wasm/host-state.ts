import { readImports } from '../../instrument/parse-module.js';

/** Calls of WASI that keep nothing: what they give is of the moment, or the same for ever. */
const keepNothing = new Set([
  'args_get',
  'args_sizes_get',
  'clock_res_get',
  'environ_get',
  'environ_sizes_get',
  'proc_exit',
  'random_get',
  'sched_yield',
]);

/**
 * What a program without glue asks its host to keep for it, in words: descriptors, files and clocks of WASI. What other imports keep nobody can see; whoever
 * gives them knows.
 */
export function unknownHostState(module: Uint8Array): string[] {
  const asked = readImports(module).filter(
    ([from, name]) => from.startsWith('wasi_') && !keepNothing.has(name),
  );
  const [first] = asked;
  if (first === undefined) return [];
  return [`its host keeps state for it (${first.join('.')}): give the glue that carries it`];
}
