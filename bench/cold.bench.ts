import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Result, Suite } from './harness.js';
import { changePages, mixedMemory } from './mixed-memory.js';
import { freePort, installed, together } from './programs.js';
import {
  beside,
  command,
  type Figures,
  note,
  roomyFolder,
  timed,
  timedOutput,
} from './whole-commands.js';

const imageMebibytes = 512;
const images = ['root.img', 'data.img'] as const;
const everyPages = 100;
const rounds = 5;
const inPlace = 'rsync --inplace --no-whole-file';
const whole = 'rsync -W';

/** One cold migration, or a copy. */
interface Cost {
  readonly ms: number;
  readonly bytes: number;
}

export const suite: Suite = {
  question:
    'How long does a machine of two images of 512 MiB take to arrive over loopback, the first time and after one page in a hundred changed, beside rsync to its daemon, cp and tar through nc?',
  async *run(): AsyncGenerator<Result> {
    const folder = mkdtempSync(join(roomyFolder(), 'pageferry-cold-'));
    const daemon = installed('rsync') ? await Daemon.start(folder) : undefined;
    try {
      yield* compare(folder, daemon);
    } finally {
      daemon?.[Symbol.dispose]();
      rmSync(folder, { recursive: true });
    }
  },
};

async function* compare(folder: string, daemon: Daemon | undefined): AsyncGenerator<Result> {
  const contents = await Promise.all(images.map(() => mixedMemory(imageMebibytes * 2 ** 20)));
  const machine = join(folder, 'machine');
  mkdirSync(machine);
  const write = (): void => {
    for (const [at, name] of images.entries()) {
      writeFileSync(join(machine, name), contents[at] ?? '');
    }
  };
  const first: Figures = {};
  const second: Figures = {};
  const bytes: Figures = {};
  const ours = (figure: string, { ms, bytes: sent }: Cost): void => {
    note(second, figure, ms);
    note(bytes, figure, sent);
  };
  write();
  for (let round = 1; round <= rounds; round += 1) {
    const there = (name: string): string => join(folder, 'there', name);
    for (const name of ['inbox', 'other', 'rsync', 'cp', 'tar']) {
      mkdirSync(there(name), { recursive: true });
    }
    note(first, 'ours', (await sendBundle(machine, there('inbox'))).ms);
    if (daemon !== undefined) {
      note(first, whole, daemon.copy(machine, 'rsync', '--whole-file').ms);
    }
    note(
      first,
      'cp --reflink=never',
      timed('cp', '-r', '--reflink=never', `${machine}/.`, there('cp')),
    );
    if (installed('nc', 'tar')) note(first, 'tar | nc', await tarThrough(machine, there('tar')));
    rmSync(there('tar'), { recursive: true });
    const store = join(folder, 'store');
    timed('node', ...command, 'snapshot', machine, store);

    for (const [at, image] of contents.entries()) {
      changePages(image, everyPages, 2 * round + at);
    }
    write();
    ours('ours', await sendBundle(machine, there('inbox'), '--replace'));
    ours('of a snapshot', await sendBundle(machine, there('other'), '--base', `${store}/machine`));
    if (daemon !== undefined) {
      ours(inPlace, daemon.copy(machine, 'rsync', '--inplace', '--no-whole-file'));
      ours(whole, daemon.copy(machine, 'cp', '--whole-file'));
    }
    rmSync(join(folder, 'there'), { recursive: true });
    rmSync(store, { recursive: true });
  }
  yield beside('cold/first', 'ms', first, 'ours', [whole, 'cp --reflink=never', 'tar | nc']);
  for (const [name, figure] of [
    ['second', 'ours'],
    ['snapshot-base', 'of a snapshot'],
  ] as const) {
    yield beside(`cold/${name}`, 'ms', second, figure, [inPlace, whole]);
    yield beside(`cold/${name}-bytes`, 'bytes', bytes, figure, [inPlace]);
  }
}

/** `send --bundle` to a receiver that waits already: from the start of the sender to its end, when all is verified and in its place. */
async function sendBundle(
  machine: string,
  inbox: string,
  ...options: readonly string[]
): Promise<Cost> {
  const receive = ['receive', '--listen', '127.0.0.1:0', '--out-dir', inbox, '--json', ...options];
  const receiver = spawn(process.execPath, [...command, ...receive], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const gone = once(receiver, 'exit');
  try {
    const [listening] = await once(receiver.stdout, 'data');
    const { port } = JSON.parse(String(listening));
    const { ms, output } = timedOutput(
      'node',
      ...command,
      ...['send', machine, `127.0.0.1:${port}`, '--bundle', '--keep-source', '--json'],
    );
    const { bytesSent } = JSON.parse(output.trimEnd().split('\n').at(-1) ?? '');
    return { ms, bytes: bytesSent };
  } finally {
    receiver.kill();
    await gone;
  }
}

async function tarThrough(machine: string, there: string): Promise<number> {
  const port = await freePort();
  const { ms } = await together(
    `nc -l 127.0.0.1 ${port} | tar x -C ${there}`,
    `tar c -C ${machine} . | nc -N 127.0.0.1 ${port}`,
  );
  return ms;
}

/** An rsync daemon on loopback. */
class Daemon implements Disposable {
  readonly #port: number;
  readonly #stop: () => void;

  private constructor(port: number, stop: () => void) {
    this.#port = port;
    this.#stop = stop;
  }

  /** Its module is `there` in `folder`. */
  static async start(folder: string): Promise<Daemon> {
    const port = await freePort();
    const file = join(folder, 'rsyncd.conf');
    const module = ['[there]', `path = ${folder}/there`, 'read only = no'];
    const user = process.getuid?.() === 0 ? ['uid = root', 'gid = root'] : [];
    writeFileSync(file, ['use chroot = no', ...user, ...module, ''].join('\n'));
    const args = ['--daemon', '--no-detach', `--config=${file}`, `--port=${port}`];
    const child = spawn('rsync', [...args, '--address=127.0.0.1'], { stdio: 'ignore' });
    const daemon = new Daemon(port, () => child.kill());
    mkdirSync(join(folder, 'there'));
    for (let tries = 0; tries < 100; tries += 1) {
      try {
        timed('sh', '-c', `rsync rsync://127.0.0.1:${port}/ 2>&1`);
        return daemon;
      } catch {
        await sleep(20);
      }
    }
    daemon[Symbol.dispose]();
    throw new Error('the rsync daemon never listened');
  }

  copy(machine: string, name: string, ...options: readonly string[]): Cost {
    const { ms, output } = timedOutput(
      'rsync',
      ...['-r', '--ignore-times', '--stats', ...options],
      ...[`${machine}/`, `rsync://127.0.0.1:${this.#port}/there/${name}/`],
    );
    const sent = /Total bytes sent: ([\d,.]+)/.exec(output)?.[1] ?? '';
    return { ms, bytes: Number(sent.replaceAll(/[,.]/g, '')) };
  }

  [Symbol.dispose](): void {
    this.#stop();
  }
}
