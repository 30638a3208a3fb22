import { FerryError } from '../../errors.js';
import { LinesReader, LinesWriter } from '../json-lines.js';
import { readJsonState, writeJsonState } from '../json-state.js';
import { joinParts, splitParts } from '../state-parts.js';
import type { GlueState } from '../wasm/glue.js';
import { applyDescriptors, planDescriptors, saveDescriptors } from './descriptors.js';
import { readDescriptors, writeDescriptors } from './descriptors-state.js';
import { Files, type IsStill } from './files.js';
import { growThrough } from './growth.js';
import { readCalls, writeCalls } from './host-calls-state.js';
import type { InstantiatedProgram } from './instance.js';
import { openMemfs } from './memfs.js';
import type { EmscriptenModule } from './module.js';
import { TreeLoader } from './tree-loader.js';
import { TreeSaver } from './tree-save.js';
import { readNode, readTree, writeNode, writeTree } from './tree-state.js';
import { maxNodes } from './tree-walk.js';
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
const nodesPerLine = 32;

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
  const saver = new TreeSaver(memfs, files);
  const writer = new LinesWriter(nodesPerLine, writeNode);
  const reader = new LinesReader('nodes', maxNodes, readNode);
  const loader = new TreeLoader(memfs, files);
  return {
    tracker: files,
    regions: () => files.regions(),
    save() {
      const { tree, indexOf } = saver.save();
      const streams = writeDescriptors(saveDescriptors(fs, indexOf));
      const head = writeJsonState({ ...writeTree(tree), streams, ...writeCalls(program.calls) });
      const state = joinParts([head, writer.write(tree.nodes)]);
      if (state.byteLength <= maxStateBytes) return state;
      throw new FerryError(
        'ERR_STATE_TOO_LARGE',
        `the state of ${tree.nodes.length} files and directories has ${state.byteLength} bytes; at most ${maxStateBytes} can be`,
      );
    },
    load(state) {
      const [head = state, nodesOf = state] = splitParts(state, 2);
      const plan = readJsonState(head, 'the state of an emscripten program', (record) => {
        const tree = readTree(record, reader.read(nodesOf), loader.last);
        const descriptors = readDescriptors(record, tree.nodes.length);
        const makeTree = loader.plan(tree);
        planDescriptors(fs, descriptors, tree.nodes);
        return { descriptors, makeTree, timers: readCalls(record, program.calls) };
      });
      applyDescriptors(fs, plan.descriptors, plan.makeTree());
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
