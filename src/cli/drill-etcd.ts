import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FerryError } from '../errors.js';
import { EtcdLeases } from '../lease/etcd.js';
import { freePort } from './free-port.js';

const startMs = 20_000;

interface Node {
  readonly endpoint: string;
  readonly args: readonly string[];
  child: ChildProcess;
}

/** An etcd for the time of a drill, with its data in a folder: one member, or three that choose a leader within about half a second. */
export class DrillEtcd implements AsyncDisposable {
  readonly #nodes: readonly Node[];
  #failure: Error | undefined;
  readonly #kill = (): void => {
    for (const { child } of this.#nodes) child.kill('SIGKILL');
  };

  private constructor(nodes: readonly Omit<Node, 'child'>[]) {
    this.#nodes = nodes.map((node) => ({ ...node, child: this.#run(node.args) }));
    process.on('exit', this.#kill);
  }

  /** ERR_UNSUPPORTED where there is none; ERR_LEASE_UNKNOWN where it does not come up. */
  static async start(folder: string, members: 1 | 3): Promise<DrillEtcd> {
    const url = async (): Promise<string> => `http://127.0.0.1:${await freePort()}`;
    const names = ['a', 'b', 'c'].slice(0, members);
    const peers: string[] = [];
    for (const _ of names) peers.push(await url());
    const cluster = names.map((name, at) => `${name}=${peers[at]}`).join();
    const nodes: Omit<Node, 'child'>[] = [];
    for (const [at, name] of names.entries()) {
      const [endpoint, peer = ''] = [await url(), peers[at]];
      const args = ['--name', name, '--data-dir', join(folder, `etcd-${name}`)];
      args.push('--listen-client-urls', endpoint, '--advertise-client-urls', endpoint);
      args.push('--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer);
      args.push('--initial-cluster', cluster, '--log-level', 'error');
      args.push('--heartbeat-interval', '50', '--election-timeout', '500');
      nodes.push({ endpoint, args });
    }
    const etcd = new DrillEtcd(nodes);
    try {
      await etcd.#ready();
      return etcd;
    } catch (error) {
      await etcd[Symbol.asyncDispose]();
      throw error;
    }
  }

  get endpoints(): readonly string[] {
    return this.#nodes.map(({ endpoint }) => endpoint);
  }

  /** Kills the member that leads. What it resolves to starts it again, and waits until all are there. */
  async killLeader(): Promise<() => Promise<void>> {
    const leads = await Promise.all(this.endpoints.map(isLeader));
    const node = this.#nodes[leads.indexOf(true)];
    if (node === undefined) throw new FerryError('ERR_LEASE_UNKNOWN', 'etcd has no leader');
    const ended = new Promise((resolve) => node.child.once('exit', resolve));
    node.child.kill('SIGKILL');
    return async () => {
      await ended;
      node.child = this.#run(node.args);
      await this.#ready();
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('exit', this.#kill);
    for (const { child } of this.#nodes) {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) continue;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    }
  }

  #run(args: readonly string[]): ChildProcess {
    const child = spawn('etcd', args, { stdio: 'ignore' });
    child.on('error', (error) => {
      this.#failure = error;
    });
    return child;
  }

  /** Each of them answers by itself. */
  async #ready(): Promise<void> {
    const until = performance.now() + startMs;
    for (const endpoint of this.endpoints) {
      await using engine = new EtcdLeases({ endpoints: [endpoint] });
      for (; ; await sleep(50)) {
        if (this.#failure !== undefined) {
          const what = `etcd cannot be started: ${this.#failure.message}; --etcd URL names one that runs`;
          throw new FerryError('ERR_UNSUPPORTED', what, { cause: this.#failure });
        }
        try {
          await engine.read('drill');
          break;
        } catch (error) {
          if (performance.now() > until) throw error;
        }
      }
    }
  }
}

async function isLeader(endpoint: string): Promise<boolean> {
  const asked = await fetch(`${endpoint}/v3/maintenance/status`, { method: 'POST', body: '{}' });
  const said = (await asked.json()) as { header: { member_id: string }; leader: string };
  return said.header.member_id === said.leader;
}
