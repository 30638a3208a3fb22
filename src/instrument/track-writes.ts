import { bufferHooks } from './buffer-writers.js';
import { builtin } from './builtin.js';
import { ElementWrites } from './element-writes.js';
import { Patches } from './hook.js';
import { ioHooks } from './io-writers.js';
import { viewHooks } from './view-writers.js';
import { type OnWrite, Watch, Watches, type WriteTarget } from './watched-buffers.js';

/** Ends what `trackWrites` began. */
export interface WriteTracking {
  /** Nothing is told after this; again does nothing. */
  stop(): void;
}

/** The hooks that are in place: they come with the first watch, and go with the last. */
let installed:
  | { readonly watches: Watches; readonly patches: Patches; readonly elements: ElementWrites }
  | undefined;

/**
 * Calls `onWrite(byteOffset, byteLength)` after each write of this thread's JavaScript to `target`'s buffer by a function of the platform: TypedArray's
 * set, fill, copyWithin, reverse, sort; DataView's setters; Atomics; TextEncoder.encodeInto; getRandomValues; Buffer's copy, fill, swap, write...; node:fs's
 * read, readv and node:crypto's randomFill, also as ...Sync. Assignments to elements (`HEAP32[i] = x`) are told of code that
 * went through `instrumentGlue`, and of no other; docs/guests.md lists what else is not seen.
 *
 * Only what was written is told, some of it perhaps twice; of a call that threw half way, all it might have written. The target is known by its buffer, or the
 * one it has then: a WebAssembly.Memory that grows stays the same target. What reads in the background is told as it calls back.
 *
 * While anything is tracked, those functions of the whole realm are replaced by ones that do the same; the last `stop` puts them back, but what somebody else
 * has put over them since. TypeError where `target` has no buffer; ERR_UNSUPPORTED where the platform's functions are frozen.
 */
export function trackWrites(target: WriteTarget, onWrite: OnWrite): WriteTracking {
  if (typeof onWrite !== 'function') throw new TypeError('onWrite must be a function');
  const watch = new Watch(target, onWrite);
  installed ??= install();
  const { watches, patches, elements } = installed;
  watches.add(watch);
  elements.forget();
  return {
    stop(): void {
      watches.remove(watch);
      elements.forget();
      if (!watches.isEmpty || installed?.watches !== watches) return;
      installed = undefined;
      patches.restore();
      elements.stop();
      tellImporters();
    },
  };
}

function install(): NonNullable<typeof installed> {
  const watches = new Watches();
  const buffer = builtin('node:buffer');
  const ofBuffers = buffer === undefined ? [] : bufferHooks(buffer.Buffer.prototype);
  const patches = new Patches([...viewHooks(), ...ofBuffers, ...ioHooks()], watches);
  tellImporters();
  return { watches, patches, elements: new ElementWrites(watches) };
}

/** Those that import a function of Node's by its name get what is in its place now. */
function tellImporters(): void {
  builtin('node:module')?.syncBuiltinESMExports();
}
