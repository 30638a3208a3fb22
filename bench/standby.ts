import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Guest } from '../src/guests/guest.js';
import type { LeaseProvider } from '../src/lease/provider.js';
import type { Primary } from '../src/replication/primary-driver.js';
import { newMember, protect } from '../src/replication/protect.js';
import type { MemberOptions } from '../src/replication/protect-options.js';

export interface StandbyJob {
  readonly kind: 'sqlite' | 'buffer';
  readonly sizeMiB: number;
  readonly name: string;
  /** Of the leases. */
  readonly folder: string;
}

/** A standby in another process. */
export class StandbyProcess {
  readonly #child: ChildProcess;
  readonly port: number;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(job: StandbyJob): Promise<StandbyProcess> {
    const program = fileURLToPath(new URL('./standby-process.js', import.meta.url));
    const child = fork(program, [JSON.stringify(job)]);
    const [{ port }] = await once(child, 'message');
    return new StandbyProcess(child, port);
  }

  async end(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

/** The guest with a standby that is in sync. */
export async function protectedBy(
  standby: StandbyProcess,
  guest: Guest,
  lease: LeaseProvider,
  options: Pick<MemberOptions, 'name'> & Partial<MemberOptions>,
): Promise<Primary> {
  const peers = [{ host: '127.0.0.1', port: standby.port }];
  const primary = await protect(guest, { member: newMember('primary'), lease, peers, ...options });
  while (primary.inSync.length < 2) await sleep(1);
  return primary;
}
