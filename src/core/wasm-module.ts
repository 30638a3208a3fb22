/** Bytes of `base64`. atob is in Node and in browsers alike. */
function decode(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

const compiled = new Map<string, WebAssembly.Module>();

/** The module that `base64` holds, compiled at the first call for it. @internal */
export function compileOnce(base64: string): WebAssembly.Module {
  let module = compiled.get(base64);
  if (module === undefined) {
    module = new WebAssembly.Module(decode(base64));
    compiled.set(base64, module);
  }
  return module;
}
