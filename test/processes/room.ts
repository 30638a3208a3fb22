import { promises as fs } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { CliEvent, Launcher } from '../command.js';
import { Random } from '../reference/random.js';
import { PageferryProcess } from './command.js';

/** A receiver that said where it listens. */
export interface Receiver {
  readonly process: PageferryProcess;
  readonly port: number;
}

/** What one row of a test works in: a folder and processes, all gone when the row ends. */
export class Room implements AsyncDisposable {
  readonly folder: string;
  readonly #processes: PageferryProcess[] = [];
  readonly #closing: (() => unknown)[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async open(): Promise<Room> {
    const room = new Room(await fs.mkdtemp(join(tmpdir(), 'pageferry-processes-')));
    await fs.mkdir(room.inbox);
    return room;
  }

  /** Where receivers put what arrives; nothing else is in it. */
  get inbox(): string {
    return join(this.folder, 'inbox');
  }

  /** Where a receiver started with `receive` puts its image. */
  get out(): string {
    return join(this.inbox, 'copy.img');
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  async file(name: string, content: string | Uint8Array): Promise<string> {
    await fs.writeFile(this.path(name), content);
    return this.path(name);
  }

  run(args: readonly string[], launcher?: Launcher): PageferryProcess {
    const started = new PageferryProcess(args, launcher);
    this.#processes.push(started);
    return started;
  }

  /** `receive` into the inbox, listening; of a source that is lost it keeps what arrived for 2 s. */
  async receive(...options: readonly string[]): Promise<Receiver> {
    const where = options.includes('--out-dir') ? [] : ['--out', this.out];
    const patience = options.includes('--max-outage') ? [] : ['--max-outage', '2'];
    const receiver = this.run([
      ...['receive', '--listen', '127.0.0.1:0'],
      ...where,
      ...patience,
      ...options,
    ]);
    return { process: receiver, port: await listeningPort(receiver) };
  }

  /** `send`, which tries for a second to go on where it was cut off. */
  send(file: string, port: number, ...options: readonly string[]): PageferryProcess {
    const patience = options.includes('--max-outage') ? [] : ['--max-outage', '1'];
    return this.run(['send', file, `127.0.0.1:${port}`, ...patience, ...options]);
  }

  /** Closes `thing` with the room. */
  keep<T extends { close(): unknown }>(thing: T): T {
    this.#closing.push(() => thing.close());
    return thing;
  }

  /** Nothing that arrived, and nothing of it, is left. */
  async expectEmptyInbox(): Promise<void> {
    expect(await fs.readdir(this.inbox)).toEqual([]);
  }

  /** The inbox holds the image, equal to `source`, and nothing else. */
  async expectReceived(source: string): Promise<void> {
    expect(await fs.readdir(this.inbox)).toEqual(['copy.img']);
    expect((await fs.readFile(this.out)).equals(await fs.readFile(source))).toBe(true);
  }

  /** A `receive --once` is as good as new: it takes one image and ends. */
  async expectStillReceives({ process, port }: Receiver, good?: string): Promise<void> {
    const file = good ?? (await this.file('good.img', new Random(1).bytes(100_000)));
    const sent = await this.send(file, port).gone();
    expect(sent).toMatchObject({ code: 0, last: { type: 'completed', verified: 'memory' } });
    expect(await process.gone()).toMatchObject({ code: 0, last: { type: 'completed' } });
    await this.expectReceived(file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const started of this.#processes) {
      started.signal('SIGKILL');
      // Not by its number in /proc: where thousands are started numbers come again.
      await started.ended();
    }
    for (const close of this.#closing.reverse()) await close();
    await fs.rm(this.folder, { recursive: true });
  }
}

/** Gives `work` a room of its own. */
export function inRoom(work: (room: Room) => Promise<void>): () => Promise<void> {
  return async () => {
    const room = await Room.open();
    try {
      await work(room);
    } finally {
      await room[Symbol.asyncDispose]();
    }
  };
}

async function listeningPort(receiver: PageferryProcess): Promise<number> {
  return Number((await receiver.event('listening'))['port']);
}

/** What a receiver says of a session or a stranger that came to nothing. */
export function dropped(
  receiver: Receiver,
  wanted?: (event: CliEvent) => boolean,
): Promise<CliEvent> {
  return receiver.process.event('dropped', wanted);
}
