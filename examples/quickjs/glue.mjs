// What quickjs-emscripten keeps in JavaScript, as glue: where its runtime and context are, handles, functions of the host, views of the memory.
import { FerryError } from 'pageferry';

/**
 * Handles are addresses in memory: they move as numbers, by their names. `handles` is a Map that the host takes them from; at the destination it has those of the source.
 * To be made when all functions of the host are there.
 */
export function quickjsGlue({ vm, imports }, handles) {
  const { runtime } = vm;
  const functionsOf = () => [...runtime.hostRefs.groups.values()].flatMap((it) => [...it.keys()]);
  const functions = functionsOf().join();
  const place = () => ({ runtime: runtime.rt.value, context: vm.ctx.value, functions });
  return {
    regions: () => [],
    identity: () => 'quickjs',
    check: () =>
      functionsOf().join() === functions
        ? []
        : ['functions of the host came or went since the beginning'],
    save() {
      const addresses = [...handles].map(([name, handle]) => [name, handle.value]);
      return new TextEncoder().encode(JSON.stringify({ ...place(), handles: addresses }));
    },
    load(state) {
      const { handles: addresses, ...there } = readState(state);
      if (JSON.stringify(there) !== JSON.stringify(place())) {
        throw new FerryError('ERR_GUEST', 'this QuickJS did not begin as the other one did');
      }
      // What was held here is of the past: it is not freed, as memory is the other's now.
      handles.clear();
      for (const [name, at] of addresses) handles.set(name, vm.memory.heapValueHandle(at));
    },
    // As QuickJS itself asks for memory: the views of the glue are made anew.
    grow(byteLength) {
      const { memory, resize } = findGrowth(imports);
      const pages = (byteLength - memory.buffer.byteLength) / 65536;
      const grow = memory.grow.bind(memory);
      // It would take a fifth more than it needs.
      memory.grow = () => grow(pages);
      resize(byteLength);
      delete memory.grow;
    },
  };
}

/** Data from a peer: everything is looked at. */
function readState(state) {
  try {
    const { runtime, context, functions, handles } = JSON.parse(new TextDecoder().decode(state));
    const isAddress = (at) => Number.isInteger(at) && at > 0 && at < 2 ** 32;
    const isHandle = ([name, at]) => typeof name === 'string' && isAddress(at);
    if (![runtime, context].every(isAddress) || !handles.every(isHandle)) throw new TypeError();
    return { runtime, context, functions, handles };
  } catch (cause) {
    throw new FerryError('ERR_GUEST', 'not the state of QuickJS', { cause });
  }
}

/** Names are minified: the memory is the import that is one, and the function that grows it alone has emscripten's limit of 96 MiB in it. */
function findGrowth(imports) {
  const all = Object.values(imports).flatMap((fields) => Object.values(fields));
  const memory = all.find((it) => it instanceof WebAssembly.Memory);
  const resize = all.find((it) => typeof it === 'function' && String(it).includes('100663296'));
  if (memory === undefined || resize === undefined) {
    throw new FerryError('ERR_UNSUPPORTED', 'this build of QuickJS cannot grow');
  }
  return { memory, resize };
}
