import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FerryError } from '../errors.js';
import { EtcdLeases } from '../lease/etcd.js';
import { freePort } from './free-port.js';

const startMs = 20_000;

/** An etcd of one member for the time of a drill, with its data in `folder`. ERR_UNSUPPORTED where there is none; ERR_LEASE_UNKNOWN where it does not come up. */
export class DrillEtcd implements AsyncDisposable {
  readonly endpoint: string;
  readonly #child: ChildProcess;
  readonly #kill = (): void => void this.#child.kill('SIGKILL');

  private constructor(child: ChildProcess, endpoint: string) {
    this.#child = child;
    this.endpoint = endpoint;
    process.on('exit', this.#kill);
  }

  static async start(folder: string): Promise<DrillEtcd> {
    const endpoint = `http://127.0.0.1:${await freePort()}`;
    const peer = `http://127.0.0.1:${await freePort()}`;
    const child = spawn(
      'etcd',
      [
        ...['--name', 'drill', '--data-dir', join(folder, 'etcd'), '--log-level', 'error'],
        ...['--listen-client-urls', endpoint, '--advertise-client-urls', endpoint],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
        ...['--initial-cluster', `drill=${peer}`],
      ],
      { stdio: 'ignore' },
    );
    let failure: Error | undefined;
    child.on('error', (error) => {
      failure = error;
    });
    const etcd = new DrillEtcd(child, endpoint);
    const engine = new EtcdLeases({ endpoints: [endpoint] });
    try {
      for (const until = performance.now() + startMs; ; await sleep(50)) {
        if (failure !== undefined) {
          const what = `etcd cannot be started: ${failure.message}; --etcd URL names one that runs`;
          throw new FerryError('ERR_UNSUPPORTED', what, { cause: failure });
        }
        try {
          await engine.read('drill');
          return etcd;
        } catch (error) {
          if (performance.now() > until) throw error;
        }
      }
    } catch (error) {
      await etcd[Symbol.asyncDispose]();
      throw error;
    } finally {
      await engine.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('exit', this.#kill);
    if (this.#child.pid === undefined || this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#kill();
    await ended;
  }
}
