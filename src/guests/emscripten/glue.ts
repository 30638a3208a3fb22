import { FerryError } from '../../errors.js';
import { readJsonState, writeJsonState } from '../json-state.js';
import type { GlueState } from '../wasm/glue.js';
import { applyDescriptors, planDescriptors, saveDescriptors } from './descriptors.js';
import { readDescriptors, writeDescriptors } from './descriptors-state.js';
import { Files, type IsStill } from './files.js';
import { growThrough } from './growth.js';
import { readCalls, writeCalls } from './host-calls-state.js';
import type { InstantiatedProgram } from './instance.js';
import { openMemfs } from './memfs.js';
import type { EmscriptenModule } from './module.js';
import { applyTree, planTree } from './tree-load.js';
import { saveTree } from './tree-save.js';
import { readTree, writeTree } from './tree-state.js';
import { findUnmovable } from './unmovable.js';

export interface EmscriptenGlueOptions {
  /** What the factory of the program made, with FS among its exports. */
  readonly module: EmscriptenModule;
  /** From `programSource`. */
  readonly program: InstantiatedProgram;
  /** Says of a file's absolute path whether it is part of the program, the same at both ends. Such a file travels only once it was written to. Default: none is. */
  readonly isStill?: IsStill;
}

/** Timers that a program set are its host's calls: give both to the guest's `pause` and `resume`. */
export interface EmscriptenGlue extends GlueState {
  /** No timer calls the program any more. */
  holdTimers(): void;
  /** Each will when its time has come; at once where it came meanwhile. */
  releaseTimers(): void;
}

const maxStateBytes = 1 << 20;

/**
 * What an emscripten program keeps in JavaScript: its files in MEMFS, whose contents are regions that travel while it runs, with exact marks of what is written to
 * them; directories, links, modes, times and inode numbers; descriptors, positions and the working directory; functions of JavaScript and of libraries in its table; timers. Devices stay the
 * host's: the same have to be at both ends. ERR_UNSUPPORTED where the module does not export FS, or files are not in MEMFS.
 */
export function emscriptenGlue({
  module,
  program,
  isStill = () => false,
}: EmscriptenGlueOptions): EmscriptenGlue {
  const memfs = openMemfs(module);
  const { fs } = memfs;
  const files = new Files(memfs, isStill);
  return {
    tracker: files,
    regions: () => files.regions(),
    save() {
      const { tree, indexOf } = saveTree(memfs, files);
      const streams = writeDescriptors(saveDescriptors(fs, indexOf));
      const state = writeJsonState({ ...writeTree(tree), streams, ...writeCalls(program.calls) });
      if (state.byteLength <= maxStateBytes) return state;
      throw new FerryError(
        'ERR_STATE_TOO_LARGE',
        `the state of ${tree.nodes.length} files and directories has ${state.byteLength} bytes; at most ${maxStateBytes} can be`,
      );
    },
    load(state) {
      const plan = readJsonState(state, 'the state of an emscripten program', (record) => {
        const tree = readTree(record);
        const descriptors = readDescriptors(record, tree.nodes.length);
        const nodes = planTree(memfs, files, tree);
        planDescriptors(fs, descriptors, tree.nodes);
        return { tree, descriptors, nodes, timers: readCalls(record, program.calls) };
      });
      applyDescriptors(fs, plan.descriptors, applyTree(memfs, files, plan.nodes, plan.tree));
      program.calls.takeTimers(plan.timers);
    },
    adopt: (offered) => files.adopt(offered),
    reshape: (id, name, byteLength) => files.reshape(id, name, byteLength),
    grow: (byteLength) => growThrough(program.imports, program.memory, byteLength),
    check: () => findUnmovable(module, program.memory, memfs, files),
    holdTimers: () => program.calls.holdTimers(),
    releaseTimers: () => program.calls.releaseTimers(),
    hostFunctions: () => program.hosts.byName(),
  };
}
