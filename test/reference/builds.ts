/** Both builds of the kernels, for `describe.each`: the tests of one are the tests of the other. */
export const builds: readonly { readonly build: string; readonly shared: boolean }[] = [
  { build: 'plain', shared: false },
  { build: 'shared', shared: true },
];
