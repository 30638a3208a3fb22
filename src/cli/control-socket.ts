import { rmSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { controlFolder, controlPath } from './control-folder.js';
import { escapeControls } from './escape.js';
import type { Side } from './failure.js';

export type Verdict = 'resume' | 'abandon';

/** Does what the operator says; what it resolves with is told to them. */
export type OnVerdict = (verdict: Verdict) => Promise<string>;

const longestRequest = 64;

/** Where `pageferry resolve` reaches a process while a switchover of its is in doubt. */
export class ControlSocket {
  readonly #side: Side;
  readonly #servers = new Map<string, Server>();
  readonly #paths = new Set<string>();
  readonly #atExit = (): void => {
    for (const path of this.#paths) rmSync(path, { force: true });
  };

  constructor(side: Side) {
    this.#side = side;
  }

  /** Waits for the operator's word on `session`. ERR_IO if there is no safe place to be reached at. Idempotent. */
  async open(session: string, onVerdict: OnVerdict): Promise<void> {
    if (this.#servers.has(session)) return;
    const path = controlPath(await controlFolder(), session, this.#side);
    // Sessions are random: a socket of this name is what an ended process left.
    await unlink(path).catch(() => {});
    const server = createServer((socket) => answer(socket, onVerdict));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    server.unref();
    this.#servers.set(session, server);
    if (this.#paths.size === 0) process.on('exit', this.#atExit);
    this.#paths.add(path);
  }

  /** The doubt is over, or the process. */
  async close(): Promise<void> {
    const servers = [...this.#servers.values()];
    this.#servers.clear();
    this.#paths.clear();
    process.off('exit', this.#atExit);
    // Closing removes the socket's file.
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

function answer(socket: Socket, onVerdict: OnVerdict): void {
  let request = '';
  const say = (text: string): void => void socket.end(`${escapeControls(text)}\n`);
  socket.setEncoding('utf8');
  socket.on('error', () => {});
  socket.on('data', (chunk: string) => {
    request += chunk;
    if (request.length > longestRequest) return void socket.destroy();
    if (!request.endsWith('\n')) return;
    const verdict = request.trim();
    request = '';
    if (verdict !== 'resume' && verdict !== 'abandon') return say('say resume or abandon');
    onVerdict(verdict).then(say, (error: unknown) => say(String(error)));
  });
}
