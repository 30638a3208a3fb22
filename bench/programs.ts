// Programs of this machine that the benches run beside pageferry.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const looked = new Map<string, boolean>();

/** Whether all of these can be run; what cannot is named as skipped, once. */
export function installed(...programs: readonly string[]): boolean {
  return programs.map((program) => isThere(program)).every((there) => there);
}

function isThere(program: string): boolean {
  const known = looked.get(program);
  if (known !== undefined) return known;
  let there = true;
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
  } catch {
    there = false;
    console.error(`  skipped: ${program} is not installed`);
  }
  looked.set(program, there);
  return there;
}

/** A port nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address === 'object' && address !== null) return address.port;
  throw new Error('no port');
}

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

function start(command: string): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const child = spawn('sh', ['-c', command], { stdio: ['ignore', 'pipe', 'ignore'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  return { child, ended: once(child, 'close').then(([code]) => ({ code, output })) };
}

/** Runs one shell command and gives what it prints. */
export async function shell(command: string): Promise<string> {
  const { code, output } = await start(command).ended;
  if (code !== 0) throw new Error(`${command}: exit ${code}`);
  return output;
}

/**
 * Starts `server`, and `client` as soon as it can connect; milliseconds from the start of the client that could until both have ended, and
 * what the client printed.
 */
export async function together(
  server: string,
  client: string,
): Promise<{ readonly ms: number; readonly output: string }> {
  const serving = start(server);
  try {
    for (let tries = 0; tries < 100; tries++) {
      const from = performance.now();
      const { code, output } = await start(client).ended;
      if (code === 0) {
        const served = await serving.ended;
        if (served.code !== 0) throw new Error(`${server}: exit ${served.code}`);
        return { ms: performance.now() - from, output };
      }
      await sleep(20);
    }
    throw new Error(`${client} never got through`);
  } finally {
    serving.child.kill();
  }
}

/** Where an `iperf3` server is and how its client gets there; default: both on loopback. */
export interface IperfPlaces {
  /** Opens the way to the server's port, and gives the port to connect to. */
  readonly through?: (port: number) => Promise<number>;
  readonly host?: string;
  /** What goes before the commands. */
  readonly serverPrefix?: string;
  readonly clientPrefix?: string;
}

/** What `iperf3 -P1` carries, bytes a second. */
export async function iperf3(seconds: number, places: IperfPlaces = {}): Promise<number> {
  const { host = '127.0.0.1', serverPrefix = '', clientPrefix = '' } = places;
  const port = await freePort();
  const entrance = (await places.through?.(port)) ?? port;
  const { output } = await together(
    `exec ${serverPrefix} iperf3 -s -1 -p ${port}`,
    `exec ${clientPrefix} iperf3 -c ${host} -p ${entrance} -t ${seconds} -J`,
  );
  const report: { end: { sum_received: { bits_per_second: number } } } = JSON.parse(output);
  return report.end.sum_received.bits_per_second / 8;
}
