import { spawnSync } from 'node:child_process';
import type { Launcher } from '../command.js';

export const isRoot: boolean = process.getuid?.() === 0;
/** A shell in which mounts can be made that nobody else sees; it runs its arguments. */
const ownMounts: Launcher = isRoot ? ['unshare', '-m'] : ['unshare', '-rm'];

export const canMount: boolean = works(ownMounts, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt');
/** Where tests that need mounts must not be left out. */
export const mustMount: boolean = process.env['CI'] === 'true' && isRoot;

/** Whether a program can be run like this. */
export function works([program = '', ...args]: Launcher, ...more: readonly string[]): boolean {
  return spawnSync(program, [...args, ...more], { stdio: 'ignore' }).status === 0;
}

/** Starts a program that has a tmpfs with these mount options at `folder`, after what else a shell is to do there. */
export function onTmpfs(folder: string, options: string, then = 'true'): Launcher {
  const script = `mount -t tmpfs -o ${options} tmpfs "$0" && (cd "$0" && ${then}) && exec "$@"`;
  return [...ownMounts, 'sh', '-c', script, folder];
}

/** What lies at `path` for a process with mounts of its own. */
export function seenBy({ pid }: { readonly pid: number }, path: string): string {
  return `/proc/${pid}/root${path}`;
}
