/** A module of Node's, where this is Node. */
export const builtin: NodeJS.Process['getBuiltinModule'] = (id: string) =>
  globalThis.process?.getBuiltinModule?.(id);
