export function compileGarden(): Promise<Uint8Array>;
