import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, readFile, unlink } from 'node:fs/promises';
import { systemCode, writeAt } from '../guests/file-io.js';
import { lockDescriptor } from './flock.js';
import { isThere, killForReal, type ProcessIdentity, thisProcess } from './process-identity.js';

/** The last sign of life stands in front, in so many characters, so that it can be written alone. */
const beatBytes = 20;
const mostBytes = 1024;
/** How long the kernel may take to end a process that was killed. */
const killedMs = 2000;
/** What this process holds, by path: who hangs here is not killed for it, but loses it. */
const own = new Map<string, AliveFile>();

/** `alive`: its holder gave a sign within its time. `hung`: it did not, or nobody sees whether it is there. `gone`: nobody holds it. */
export type Aliveness = 'alive' | 'hung' | 'gone';

interface Said {
  readonly beatAt: number;
  readonly holder: ProcessIdentity & {
    /** Drawn anew each time that the lock is taken: numbers of files are given again. */
    readonly life: string;
  };
}

/** The lock of one generation's owner, on a file of its own with the last sign of life in it. The kernel frees it when the process ends. */
export class AliveFile {
  readonly path: string;
  /** Which taking of the lock this is. */
  readonly life: string;
  readonly #handle: FileHandle;
  #isHeld = true;

  private constructor(path: string, life: string, handle: FileHandle) {
    this.path = path;
    this.life = life;
    this.#handle = handle;
  }

  /** Takes the lock at `path`. Undefined: somebody has it. */
  static async take(path: string): Promise<AliveFile | undefined> {
    const holder = thisProcess();
    if (holder === undefined) return undefined;
    const handle = await open(
      path,
      constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW,
      0o600,
    );
    try {
      if (await lockDescriptor(handle.fd, 0)) {
        const life = randomBytes(8).toString('hex');
        const text = Buffer.from(`${beat()}${JSON.stringify({ ...holder, life })}\n`);
        await writeAt(handle, 0, text);
        await handle.truncate(text.length);
        const file = new AliveFile(path, life, handle);
        own.set(path, file);
        return file;
      }
    } catch (error) {
      await handle.close();
      throw error;
    }
    await handle.close();
    return undefined;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Gives a sign of life. */
  async beat(): Promise<void> {
    await this.#handle.write(Buffer.from(beat()), 0, beatBytes, 0);
  }

  /** Lets go of it. Idempotent. */
  async release(): Promise<void> {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    own.delete(this.path);
    await unlink(this.path).catch(() => {});
    await this.#handle.close();
  }
}

/** Which taking of the lock the file at `path`, or what is open of it, tells of; undefined where it is gone, or tells nothing. */
export async function lifeOf(file: string | FileHandle): Promise<string | undefined> {
  const said = await read(file);
  return said === 'nothing' ? undefined : said?.holder.life;
}

/** Gives a sign of life for who holds the file at `path`. */
export async function beatAt(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    await handle.write(Buffer.from(beat()), 0, beatBytes, 0);
  } finally {
    await handle.close();
  }
}

/** How it stands with the holder of the file at `path`, whose lease lasts `ttlMs`. */
export async function aliveness(path: string, ttlMs: number): Promise<Aliveness> {
  const said = await read(path);
  if (said === undefined) return 'gone';
  if (said === 'nothing') return 'hung';
  if (isThere(said.holder) === false) return 'gone';
  return now() - said.beatAt <= ttlMs ? 'alive' : 'hung';
}

/**
 * Sees to it that nobody holds the file at `path` any more: a process that hangs is killed for real, one whose number somebody else has by now is not. Undefined if nobody does; else why
 * somebody may.
 */
export async function putOut(path: string): Promise<string | undefined> {
  const said = await read(path);
  if (said === undefined) return undefined;
  const here = own.get(path);
  if (here !== undefined) {
    await here.release();
    return undefined;
  }
  const handle = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    if (await lockDescriptor(handle.fd, 0)) return undefined;
    if (said === 'nothing') return 'somebody holds the lease, and nobody can tell who';
    const reason = killForReal(said.holder);
    if (reason !== undefined) {
      return `process ${said.holder.pid} holds the lease, gives no sign, and is not killed: ${reason}`;
    }
    if (await lockDescriptor(handle.fd, killedMs)) return undefined;
    return `process ${said.holder.pid} was killed, and holds the lease still`;
  } finally {
    await handle.close();
  }
}

/** What stands in the file; undefined where there is none. */
async function read(file: string | FileHandle): Promise<Said | 'nothing' | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const holder = JSON.parse(text.slice(beatBytes, mostBytes)) as Said['holder'];
    const beatAt = Number(text.slice(0, beatBytes));
    if (Number.isFinite(beatAt) && Number.isInteger(holder.pid) && holder.pid > 0) {
      return { beatAt, holder };
    }
  } catch {
    // Cut, or overwritten: whether anybody is there only the lock says.
  }
  return 'nothing';
}

function now(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

function beat(): string {
  return `${`${now()}`.padStart(beatBytes - 1, '0')}\n`;
}
