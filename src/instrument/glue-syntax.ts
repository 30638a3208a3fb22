import type { AnyNode, Expression, MemberExpression, Node, Program, Super } from 'acorn';

/** `object[key]`, of which nobody knows yet what it is. */
export type Element = MemberExpression & { object: Expression; property: Expression };

/** The nodes in `node`, in the order of their text. */
export function childrenOf(node: AnyNode): AnyNode[] {
  const found: AnyNode[] = [];
  for (const key in node) {
    const value: unknown = node[key as keyof AnyNode];
    if (Array.isArray(value)) {
      for (const each of value) if (isNode(each)) found.push(each);
    } else if (isNode(value)) found.push(value);
  }
  // Most are in that order already.
  const isOrdered = found.every(
    (each, at) => at === 0 || (found[at - 1]?.start ?? 0) <= each.start,
  );
  return isOrdered ? found : found.sort((a, b) => a.start - b.start);
}

function isNode(value: unknown): value is AnyNode {
  return typeof value === 'object' && value !== null && 'start' in value && 'type' in value;
}

/** What stands within parentheses. */
export function bare(node: AnyNode): AnyNode {
  let inner = node;
  while (inner.type === 'ParenthesizedExpression') inner = inner.expression;
  return inner;
}

/** The element that `target` is, if it may be one of a typed array: neither `a.name` nor `a["name"]` is. */
export function elementIn(target: AnyNode): Element | undefined {
  const node = bare(target);
  if (node.type !== 'MemberExpression' || !node.computed || isSuper(node.object)) return undefined;
  return isName(node.property) ? undefined : (node as Element);
}

/** `super[key]`, which writes to whatever `this` is. */
export function isSuperElement(node: AnyNode): boolean {
  return node.type === 'MemberExpression' && node.computed && isSuper(node.object);
}

function isSuper(node: AnyNode | Super): boolean {
  return node.type === 'Super';
}

/** Whether a key is a text that is no number. */
function isName(key: AnyNode): boolean {
  const value = key.type === 'Literal' ? key.value : undefined;
  return typeof value === 'string' && String(Number(value)) !== value;
}

/** Whether a body, or a program, begins with directives that make it strict. */
export function saysStrict(body: readonly AnyNode[]): boolean {
  return body.some((each) => 'directive' in each && each.directive === 'use strict');
}

/** Where the first statement behind the directives of a program begins. */
export function behindDirectives({ body, end }: Program): number {
  const first = body.find((each) => !('directive' in each));
  return first?.start ?? end;
}

/** Whether code in `node`, not in functions in it, awaits or yields. */
export function suspends(node: AnyNode): boolean {
  const stack: AnyNode[] = [node];
  for (let each = stack.pop(); each !== undefined; each = stack.pop()) {
    if (each.type === 'AwaitExpression' || each.type === 'YieldExpression') return true;
    if (!isFunction(each)) stack.push(...childrenOf(each));
  }
  return false;
}

export function isFunction(node: Node): boolean {
  return (
    node.type === 'FunctionDeclaration' ||
    node.type === 'FunctionExpression' ||
    node.type === 'ArrowFunctionExpression'
  );
}

/** Whether a statement may end without a semicolon, by a line's end alone. */
export function endsOpen(node: AnyNode): boolean {
  switch (node.type) {
    case 'ExpressionStatement':
    case 'ReturnStatement':
    case 'ThrowStatement':
    case 'VariableDeclaration':
    case 'PropertyDefinition':
      return true;
    case 'ExportDefaultDeclaration':
      return (
        node.declaration.type !== 'ClassDeclaration' &&
        node.declaration.type !== 'FunctionDeclaration'
      );
    default:
      return false;
  }
}
