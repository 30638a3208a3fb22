import { readFileSync } from 'node:fs';

/** Most memory this process ever had resident, bytes; NaN where the system does not say (it is Linux that does). */
export function peakBytes(): number {
  try {
    const [, kibibytes = ''] =
      /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
    return Number(kibibytes) * 1024;
  } catch {
    return Number.NaN;
  }
}
