import { FerryError } from '../../errors.js';
import { type EmscriptenGlue, emscriptenGlue } from '../emscripten/glue.js';
import { type InstantiatedProgram, programSource } from '../emscripten/instance.js';
import { joinParts, splitParts } from '../state-parts.js';
import { CallGate } from '../wasm/call-gate.js';
import type { GlueState } from '../wasm/glue.js';
import { type WasmGuest, type WasmGuestOptions, wasmGuest } from '../wasm/wasm-guest.js';
import { loadPglite } from './package.js';
import { QueryGate } from './query-gate.js';
import { SessionState } from './session-state.js';
import type { PgliteClass, PgliteExtension, PgliteInsides, PgliteSession } from './types.js';

export interface PgliteGuestOptions<S extends PgliteSession = PgliteSession>
  extends Pick<WasmGuestOptions, 'onGeneration' | 'version' | 'maxByteLength'> {
  /** The class of the package @electric-sql/pglite. Default: that of the one that is installed where the process works, or beside this package. */
  readonly PGlite?: PgliteClass<S>;
  /** For `PGlite.create`: the same at both ends. Data are in memory only: `dataDir` is refused. */
  readonly options?: object;
  /** Dynamic libraries that both ends open first, in this order: one that is opened later cannot travel. Default: 'plpgsql'. */
  readonly libraries?: readonly string[];
  /** How long a query in flight may keep the session from being paused, ms. Default 10,000. Then ERR_GUEST, and the source goes on. */
  readonly maxQueryMs?: number;
  /** Is told of every notification. Without it a session that listens to channels only comes where the same ones are listened to. */
  readonly onNotification?: (channel: string, payload: string) => void;
}

/** A PGlite session that can be moved. */
export interface PgliteGuest<S extends PgliteSession = PgliteSession> extends WasmGuest {
  /** The session. Its queries wait while it is paused, or awaited; ERR_GUEST once it was handed over. */
  readonly db: S;
}

const defaultLibraries: readonly string[] = ['plpgsql'];
const defaultMaxQueryMs = 10_000;
/** After which an engine has compiled what they run. */
const practiceTimes = 12;
/** What the package brings along, and what only its program's own folders have. */
const programFolders = ['/pglite/bin/', '/pglite/icu/', '/pglite/lib/', '/pglite/share/'];

/** A session that runs here, from its beginning. ERR_UNSUPPORTED if the package is not installed. */
export function createPglite<S extends PgliteSession = PgliteSession>(
  options: PgliteGuestOptions<S> = {},
): Promise<PgliteGuest<S>> {
  return openPglite(options, false);
}

/**
 * A place for another process's session: one of its own that waits, so that only what differs between the two travels. What is asked of its `db` before waits as well.
 * ERR_UNSUPPORTED if the package is not installed.
 */
export function receivePglite<S extends PgliteSession = PgliteSession>(
  options: PgliteGuestOptions<S> = {},
): Promise<PgliteGuest<S>> {
  return openPglite(options, true);
}

async function openPglite<S extends PgliteSession>(
  options: PgliteGuestOptions<S>,
  waits: boolean,
): Promise<PgliteGuest<S>> {
  const { libraries = defaultLibraries, maxQueryMs = defaultMaxQueryMs } = options;
  const extensions = Object.keys(optionOf(options.options, 'extensions') ?? {});
  refuseFolders(options.options);
  const { PGlite, program } = await loadPglite(options.PGlite);
  const { db, state, ends } = await begin(PGlite, program, options);
  for (const library of libraries) await db.exec(`LOAD '${library.replaceAll("'", "''")}'`);
  const files = emscriptenGlue({ module: db.Module, program: ends, isStill });
  const gate = new QueryGate(db);
  const works = new CallGate();
  /** It was handed over, and has not come back. */
  let isGone = false;
  const { onGeneration, maxByteLength } = options;
  const hold = async (): Promise<void> => {
    await gate.close(maxQueryMs);
    files.holdTimers();
  };
  const letGo = (): void => {
    files.releaseTimers();
    gate.open();
  };
  const guest = await wasmGuest({
    // What it asks of the session is answered: the session goes on for it, and stands still again where it fails.
    ...(onGeneration && {
      async onGeneration(generation) {
        letGo();
        try {
          await onGeneration(generation);
        } catch (error) {
          await hold();
          throw error;
        }
      },
    }),
    ...(maxByteLength === undefined ? {} : { maxByteLength }),
    module: program,
    instance: ends.instance,
    imports: ends.imports as NonNullable<WasmGuestOptions['imports']>,
    glue: sessionGlue(files, state),
    version: JSON.stringify([options.version ?? '', libraries, extensions]),
    async pause() {
      // Work of several queries ends before the first of them is held back.
      await works.close(maxQueryMs);
      await hold();
    },
    resume() {
      letGo();
      works.open();
      isGone = false;
    },
  });
  if (waits) {
    await works.close(maxQueryMs);
    await gate.close(maxQueryMs);
  }
  await practise(guest, waits);
  const adopt = guest.adopt?.bind(guest);
  const own: Pick<WasmGuest, 'run' | 'adopt' | 'handedOver' | 'discard'> = {
    // It waits for the session to be here, also for its return.
    run: (work) => works.run(work),
    handedOver() {
      isGone = true;
      gate.leave();
    },
    async adopt(offered) {
      // Another one, or this one on its way back: it is worth waiting for.
      await gate.close(maxQueryMs);
      await adopt?.(offered);
    },
    async discard() {
      if (isGone) own.handedOver?.();
    },
  };
  return Object.assign(guest, { db, ...own });
}

/**
 * Saves the state, and where a session is awaited loads it too: met for the first time while one stands still, engines take several times as long. A place takes its
 * own files for those that come.
 */
async function practise(guest: WasmGuest, waits: boolean): Promise<void> {
  const first = await guest.saveState();
  if (waits) {
    // From here on until a state is loaded its files belong to nobody: nothing can be saved.
    await guest.adopt?.(guest.regions);
    await guest.loadState(first);
  }
  for (let times = 1; times < practiceTimes; times++) {
    const state = await guest.saveState();
    if (waits) await guest.loadState(state);
  }
}

/** Makes a session whose insides are in reach. */
async function begin<S extends PgliteSession>(
  PGlite: PgliteClass,
  program: Uint8Array,
  { options, onNotification }: PgliteGuestOptions<S>,
): Promise<{ db: S & PgliteInsides; state: SessionState; ends: InstantiatedProgram }> {
  const source = programSource(program);
  let state: SessionState | undefined;
  const extension: PgliteExtension = {
    name: 'pageferry',
    async setup(session, emscriptenOptions) {
      state = new SessionState(session, onNotification !== undefined);
      const { instantiateWasm } = source;
      return { emscriptenOpts: { ...emscriptenOptions, instantiateWasm } };
    },
  };
  const extensions = { ...optionOf(options, 'extensions'), pageferry: extension };
  const db = (await PGlite.create({ ...options, extensions })) as S & PgliteInsides;
  if (state === undefined) throw new FerryError('ERR_UNSUPPORTED', 'this PGlite has no extensions');
  if (onNotification !== undefined) db.onNotification(onNotification);
  return { db, state, ends: await source.program };
}

/** Files in folders of the package, which both ends have. */
function isStill(path: string): boolean {
  return programFolders.some((folder) => path.startsWith(folder));
}

function optionOf(options: object | undefined, name: string): object | undefined {
  return options && Reflect.get(options, name);
}

function refuseFolders(options: PgliteGuestOptions['options']): void {
  const folder: unknown = optionOf(options, 'dataDir');
  if (folder === undefined || String(folder).startsWith('memory://')) return;
  throw new FerryError(
    'ERR_UNSUPPORTED',
    `a session with its data in ${String(folder)} cannot travel: only one in memory can (memory://)`,
  );
}

/** The program's glue, and the session around it. */
function sessionGlue(files: EmscriptenGlue, session: SessionState): GlueState {
  return {
    ...files,
    save: () => joinParts([session.save(), files.save()]),
    load(state) {
      const [ofSession = state, ofFiles = state] = splitParts(state, 2);
      const takeOver = session.prepare(ofSession);
      files.load(ofFiles);
      takeOver();
    },
  };
}
