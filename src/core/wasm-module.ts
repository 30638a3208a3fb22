import { FerryError } from '../errors.js';
import { moduleRanges, packedModules, unpackedBytes } from './kernels.wasm.js';
import { unpackLz4 } from './lz4-block.js';

/** What assembly/build.mjs compiles of the kernels. */
export type ModuleName = keyof typeof moduleRanges;

/** Bytes of `base64`. atob is in Node and in browsers alike. */
function decode(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

const compiled = new Map<ModuleName, WebAssembly.Module>();
let unpacked: Uint8Array<ArrayBuffer> | undefined;

function bytesOf(name: ModuleName): Uint8Array<ArrayBuffer> {
  unpacked ??= unpackLz4(decode(packedModules), unpackedBytes);
  return unpacked.subarray(...moduleRanges[name]);
}

/** The module, compiled at the first call for it. ERR_UNSUPPORTED on a big-endian machine. @internal */
export function compileOnce(name: ModuleName): WebAssembly.Module {
  // WebAssembly's memory is little-endian everywhere; typed arrays over it are as the machine is.
  if (new Uint8Array(Uint32Array.of(1).buffer)[0] !== 1) {
    throw new FerryError(
      'ERR_UNSUPPORTED',
      'this machine is big-endian: only little-endian ones are supported',
    );
  }
  let module = compiled.get(name);
  if (module === undefined) {
    module = new WebAssembly.Module(bytesOf(name));
    compiled.set(name, module);
  }
  return module;
}
