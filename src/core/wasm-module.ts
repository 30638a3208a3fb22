import { FerryError } from '../errors.js';

/** Bytes of `base64`. atob is in Node and in browsers alike. */
function decode(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

const compiled = new Map<string, WebAssembly.Module>();

/** The module that `base64` holds, compiled at the first call for it. ERR_UNSUPPORTED on a big-endian machine. @internal */
export function compileOnce(base64: string): WebAssembly.Module {
  // WebAssembly's memory is little-endian everywhere; typed arrays over it are as the machine is.
  if (new Uint8Array(Uint32Array.of(1).buffer)[0] !== 1) {
    throw new FerryError(
      'ERR_UNSUPPORTED',
      'this machine is big-endian: only little-endian ones are supported',
    );
  }
  let module = compiled.get(base64);
  if (module === undefined) {
    module = new WebAssembly.Module(decode(base64));
    compiled.set(base64, module);
  }
  return module;
}
