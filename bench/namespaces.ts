// Two network namespaces of Linux joined by a cable that tc limits: real TCP over a real queue. Needs root, and `ip` and `tc`.
import { execFileSync } from 'node:child_process';
import type { Launcher } from './destination.js';

const tag = `pageferry${process.pid}`;

/** One end of the cable. */
export interface CableEnd {
  readonly address: string;
  /** Starts one of our own processes there. */
  readonly launcher: Launcher;
  /** What goes before a shell command that is to run there. */
  readonly prefix: string;
}

export interface Cable extends Disposable {
  readonly source: CableEnd;
  readonly destination: CableEnd;
}

/** Lays a cable of so many megabits a second. Undefined, and a word why, where that is not allowed. */
export function layCable(megabits: number): Cable | undefined {
  const ends = [0, 1].map((end) => endOf(end));
  const [source, destination] = ends;
  if (source === undefined || destination === undefined) return undefined;
  try {
    for (const end of [0, 1]) run(`ip netns add ${tag}-${end}`);
    run(`ip link add end0 netns ${tag}-0 type veth peer name end1 netns ${tag}-1`);
    for (const [end, { address, prefix }] of ends.entries()) {
      run(`${prefix} ip address add ${address}/24 dev end${end}`);
      run(`${prefix} ip link set end${end} up`);
      run(
        `${prefix} tc qdisc add dev end${end} root tbf rate ${megabits}mbit burst 64kb latency 20ms`,
      );
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : error;
    console.error(`  skipped: network namespaces (root, ip, tc): ${reason}`);
    remove();
    return undefined;
  }
  return { source, destination, [Symbol.dispose]: remove };
}

function endOf(end: number): CableEnd {
  const name = `${tag}-${end}`;
  return {
    // Of a network that is for documentation: no machine is there.
    address: `192.0.2.${end + 1}`,
    launcher: { execPath: 'ip', execArgv: ['netns', 'exec', name, process.execPath] },
    prefix: `ip netns exec ${name}`,
  };
}

function remove(): void {
  for (const end of [0, 1]) {
    try {
      run(`ip netns delete ${tag}-${end}`);
    } catch {
      // It was never made.
    }
  }
}

function run(command: string): void {
  const [program = '', ...args] = command.split(' ');
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
