import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { promises as fs } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../processes/until.js';

/** Whether etcd's tests run: where it is installed, and in CI. */
export const hasEtcd: boolean =
  spawnSync('etcd', ['--version']).status === 0 || process.env['CI'] === 'true';
export const skipped: string = hasEtcd ? '' : ' (skipped: there is no etcd here)';

export interface EtcdFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** One member, a process of its own. */
export interface EtcdNode {
  readonly url: string;
  readonly port: number;
  process: ChildProcess;
  readonly args: readonly string[];
}

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A cluster of real etcd processes that elect within half a second; its folder is gone with it. */
export class EtcdRoom {
  readonly nodes: readonly EtcdNode[];
  readonly #folder: string;

  private constructor(nodes: readonly EtcdNode[], folder: string) {
    this.nodes = nodes;
    this.#folder = folder;
  }

  static async open(count = 1, pem?: EtcdFiles): Promise<EtcdRoom> {
    const folder = await fs.mkdtemp(join(tmpdir(), 'pageferry-etcd-'));
    const ports = await freePorts(2 * count);
    const scheme = pem === undefined ? 'http' : 'https';
    const peers = ports.slice(count).map((port) => `http://127.0.0.1:${port}`);
    const cluster = peers.map((url, at) => `n${at}=${url}`).join();
    const secure = pem === undefined ? [] : await secureArguments(folder, pem);
    const nodes = ports.slice(0, count).map((port, at): EtcdNode => {
      const url = `${scheme}://127.0.0.1:${port}`;
      const peer = peers[at] as string;
      const args = ['--name', `n${at}`, '--data-dir', join(folder, `n${at}`), ...secure];
      args.push('--listen-client-urls', url, '--advertise-client-urls', url);
      args.push('--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer);
      args.push('--initial-cluster', cluster, '--unsafe-no-fsync', '--log-level', 'error');
      args.push('--heartbeat-interval', '50', '--election-timeout', '500');
      return { url, port, args, process: started(args) };
    });
    return new EtcdRoom(nodes, folder);
  }

  get endpoints(): readonly string[] {
    return this.nodes.map(({ url }) => url);
  }

  /** Resolves once every member answers by what `ask` asks of it. */
  async ready(ask: (url: string) => Promise<unknown>): Promise<void> {
    for (const { url } of this.nodes) {
      await until(`etcd at ${url}`, () =>
        ask(url).then(
          () => true,
          () => false,
        ),
      );
    }
  }

  /** The member that leads, as the first one of the others has it. */
  async leader(): Promise<EtcdNode> {
    const leads = await Promise.all(
      this.nodes.map(async ({ url }) => {
        const response = await fetch(`${url}/v3/maintenance/status`, {
          method: 'POST',
          body: '{}',
        });
        const said = (await response.json()) as { header: { member_id: string }; leader: string };
        return said.header.member_id === said.leader;
      }),
    );
    return this.nodes[leads.indexOf(true)] as EtcdNode;
  }

  /** Killed, and started with what it had on its disk. */
  async restart(at: number): Promise<void> {
    const node = this.nodes[at] as EtcdNode;
    await ended(node.process);
    node.process = started(node.args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await ended(node.process);
    await fs.rm(this.#folder, { recursive: true });
  }
}

function started(args: readonly string[]): ChildProcess {
  const child = spawn('etcd', args, { stdio: 'ignore' });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

async function secureArguments(folder: string, pem: EtcdFiles): Promise<readonly string[]> {
  const files = Object.entries(pem).map(([name, text]) => [join(folder, name), text] as const);
  for (const [file, text] of files) await fs.writeFile(file, text);
  const at = (name: string): string => join(folder, name);
  return [
    ...['--cert-file', at('cert'), '--key-file', at('key')],
    ...['--client-cert-auth', '--trusted-ca-file', at('ca')],
  ];
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  const ports: number[] = [];
  for (const server of servers) {
    if (!server.listening) await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    if (address !== null && typeof address === 'object') ports.push(address.port);
  }
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return ports;
}
