import { parseSync, Visitor } from 'rolldown/utils';

/** What may begin a line: a stack trace then says which of them it was. */
const lines = [
  'ExpressionStatement',
  'VariableDeclaration',
  'FunctionDeclaration',
  'ClassDeclaration',
  'MethodDefinition',
  'PropertyDefinition',
  'ReturnStatement',
  'ThrowStatement',
  'IfStatement',
  'ForStatement',
  'ForOfStatement',
  'ForInStatement',
  'WhileStatement',
  'DoWhileStatement',
  'SwitchStatement',
  'TryStatement',
];

/** `code` without whitespace, with each statement and each method on a line of its own. */
export function withLines(path, code) {
  const { program, errors } = parseSync(path, code);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0].message}`);
  const starts = new Set();
  const begin = ({ start }) => void starts.add(start);
  // The head of a loop is one line.
  const heads = new Set();
  const skip = ({ init, left }) => void heads.add((init ?? left)?.start);
  new Visitor({ ForStatement: skip, ForOfStatement: skip, ForInStatement: skip }).visit(program);
  new Visitor(Object.fromEntries(lines.map((kind) => [kind, begin]))).visit(program);
  // A declaration that is exported begins with that word.
  new Visitor({
    ExportNamedDeclaration: ({ declaration }) => void heads.add(declaration?.start),
  }).visit(program);
  let text = '';
  let end = 0;
  for (const start of [...starts].sort((a, b) => a - b)) {
    if (start === 0 || heads.has(start)) continue;
    text += `${code.slice(end, start)}\n`;
    end = start;
  }
  return text + code.slice(end);
}
