import { get as getHttp } from 'node:http';
import { get as getHttps } from 'node:https';
import { connect } from 'node:net';
import { FerryError } from '../errors.js';
import { inTime } from '../guests/in-time.js';
import { runCommand } from '../guests/user-command.js';
import { inRange } from './in-range.js';

/** How a guest that runs shows that it works. */
export type HealthProbe =
  /** A connection can be made. Default host 127.0.0.1. */
  | { readonly type: 'tcp'; readonly host?: string; readonly port: number }
  /** A GET of an http: or https: URL is answered with a status below 400. No redirect is followed. */
  | { readonly type: 'http'; readonly url: string }
  /** A command of the shell ends with 0. It is told { type: 'health' } on its standard input. */
  | { readonly type: 'command'; readonly command: string }
  /** Neither throws nor gives false. */
  | { readonly type: 'function'; readonly check: () => unknown }
  /** Nothing kept this process's event loop from turning for longer, milliseconds, since the probe was asked last. */
  | { readonly type: 'loop-delay'; readonly maxMs: number };

/** Asks once. Rejects with why the guest does not work. */
export type Ask = (timeoutMs: number, signal: AbortSignal) => Promise<void>;

const loopMs = 10;

/** TypeError or RangeError for what is no probe. `stop`: nothing of it goes on. */
export function openProbe(probe: HealthProbe): { readonly ask: Ask; readonly stop: () => void } {
  const stop = (): void => {};
  switch (probe.type) {
    case 'tcp': {
      const { host = '127.0.0.1', port } = probe;
      inRange('port', port, 1, 65_535);
      return { ask: (timeoutMs, signal) => askTcp(host, port, timeoutMs, signal), stop };
    }
    case 'http': {
      const url = new URL(probe.url);
      if (!/^https?:$/.test(url.protocol)) throw new TypeError(`probe of ${probe.url}`);
      return { ask: (timeoutMs, signal) => askHttp(url, timeoutMs, signal), stop };
    }
    case 'command': {
      const { command } = probe;
      const told = { type: 'health' };
      return {
        ask: (timeoutMs, signal) => runCommand(command, told, { timeoutMs, signal }),
        stop,
      };
    }
    case 'function':
      return { ask: (timeoutMs) => askFunction(probe.check, timeoutMs), stop };
    case 'loop-delay': {
      inRange('maxMs', probe.maxMs, 1, 600_000);
      const loop = new LoopDelay();
      return { ask: async () => loop.check(probe.maxMs), stop: () => loop.stop() };
    }
    default:
      throw new TypeError(`a probe of type ${(probe as { type: unknown }).type}`);
  }
}

/** Resolves once a connection could be made. */
export function askTcp(
  host: string,
  port: number,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal }).setTimeout(timeoutMs);
    const end = (error?: Error): void => {
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    socket.once('connect', () => end());
    socket.once('timeout', () => end(silent(timeoutMs)));
    socket.on('error', end);
  });
}

function askHttp(url: URL, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const get = url.protocol === 'https:' ? getHttps : getHttp;
  return new Promise((resolve, reject) => {
    const request = get(url, { signal, agent: false, timeout: timeoutMs }, ({ statusCode = 0 }) => {
      // Its head says it all.
      request.destroy();
      if (statusCode < 400) resolve();
      else reject(new FerryError('ERR_GUEST', `status ${statusCode}`));
    });
    request.once('timeout', () => request.destroy(silent(timeoutMs)));
    request.on('error', reject);
  });
}

async function askFunction(check: () => unknown, timeoutMs: number): Promise<void> {
  const said = await inTime(
    Promise.resolve().then(() => check()),
    timeoutMs,
    () => silent(timeoutMs),
  );
  if (said === false) throw new FerryError('ERR_GUEST', 'it says so itself');
}

/** How late timers are. That of perf_hooks leaves out the first one after each look. */
class LoopDelay {
  #at = performance.now();
  #longestMs = 0;
  readonly #timer = setInterval(() => this.#note(), loopMs).unref();

  /** Throws if one was later than `maxMs` since the last look. */
  check(maxMs: number): void {
    this.#note();
    const longestMs = this.#longestMs;
    this.#longestMs = 0;
    if (longestMs <= maxMs) return;
    throw new FerryError('ERR_GUEST', `the loop stood still for ${Math.round(longestMs)} ms`);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #note(): void {
    const now = performance.now();
    this.#longestMs = Math.max(this.#longestMs, now - this.#at - loopMs);
    this.#at = now;
  }
}

function silent(timeoutMs: number): FerryError {
  return new FerryError('ERR_GUEST', `no answer within ${timeoutMs} ms`);
}
