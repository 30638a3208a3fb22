import type { AnyNode, AssignmentExpression, Program, UpdateExpression } from 'acorn';
import { type Assignment, GlueHelpers } from './glue-helpers.js';
import {
  bare,
  behindDirectives,
  childrenOf,
  type Element,
  elementIn,
  endsOpen,
  isFunction,
  isSuperElement,
  saysStrict,
  suspends,
} from './glue-syntax.js';
import { TextEdits } from './text-edits.js';

/** Something by which elements may be assigned without a word of it, and where its text begins. */
export interface UnseenAt {
  readonly what: string;
  readonly at: number;
}

/** Turns each assignment to `object[key]` into a call that does the same and tells of it. Changes are made in the order of the text. */
export class GlueRewriter {
  readonly unseen: UnseenAt[] = [];
  readonly #edits: TextEdits;
  readonly #program: Program;
  readonly #helpers: GlueHelpers;
  readonly #isStrict: boolean;
  #sites = 0;

  constructor(source: string, program: Program, prefix: string) {
    this.#edits = new TextEdits(source);
    this.#program = program;
    this.#isStrict = program.sourceType === 'module' || saysStrict(program.body);
    this.#helpers = new GlueHelpers(prefix, this.#isStrict);
  }

  /** Of assignments that are calls now. */
  get sites(): number {
    return this.#sites;
  }

  rewrite(): string {
    const start = behindDirectives(this.#program);
    for (const statement of this.#program.body) this.#visit(statement, this.#isStrict);
    if (this.#sites === 0) return this.#edits.apply();
    this.#edits.insertBefore(start, this.#helpers.before);
    return this.#edits.apply() + this.#helpers.behind;
  }

  #name(assignment: Assignment, isStrict: boolean): string {
    this.#sites++;
    return this.#helpers.add(assignment, isStrict);
  }

  #visit(node: AnyNode, isStrict: boolean): void {
    const before = this.#edits.count;
    this.#visitWhole(node, isStrict || makesStrict(node));
    // A call may go on in the next line where an assignment could not.
    if (endsOpen(node) && this.#edits.count > before) this.#edits.close(node.end);
  }

  #visitWhole(node: AnyNode, isStrict: boolean): void {
    switch (node.type) {
      case 'AssignmentExpression':
        this.#assignment(node, isStrict);
        return;
      case 'UpdateExpression':
        this.#update(node, isStrict);
        return;
      case 'ForInStatement':
      case 'ForOfStatement':
        this.#head(node.left, isStrict);
        this.#visit(node.right, isStrict);
        this.#visit(node.body, isStrict);
        return;
      case 'ForStatement':
        if (node.init) this.#head(node.init, isStrict);
        for (const each of [node.test, node.update, node.body]) {
          if (each) this.#visit(each, isStrict);
        }
        return;
      default:
        this.#noteUnseen(node);
        this.#children(node, isStrict);
    }
  }

  #children(node: AnyNode, isStrict: boolean): void {
    for (const child of childrenOf(node)) this.#visit(child, isStrict);
  }

  /** What a loop begins with: a declaration there has no semicolon of its own. */
  #head(node: AnyNode, isStrict: boolean): void {
    if (node.type === 'VariableDeclaration') this.#children(node, isStrict);
    else this.#target(node, isStrict);
  }

  #assignment(node: AssignmentExpression, isStrict: boolean): void {
    const { left, right, operator } = node;
    const element = elementIn(left);
    if (element === undefined) {
      this.#target(left, isStrict);
      this.#visit(right, isStrict);
      return;
    }
    if (operator === '=') {
      this.#begin(node, element, { kind: 'assign' }, isStrict);
      this.#edits.replace(element.property.end, right.start, ',');
      this.#visit(right, isStrict);
      this.#edits.insert(node.end, ')');
      return;
    }
    if (suspends(right)) {
      this.#unseen(node, `an assignment by ${operator} of what is awaited or yielded`);
      this.#children(node, isStrict);
      return;
    }
    // What is there is read before the right side runs.
    const by = right.type === 'Literal' ? 'value' : 'function';
    this.#begin(node, element, { kind: 'compound', operator, by }, isStrict);
    this.#edits.replace(element.property.end, right.start, by === 'value' ? ',' : ',()=>(');
    this.#visit(right, isStrict);
    this.#edits.insert(node.end, by === 'value' ? ')' : '))');
  }

  #update(node: UpdateExpression, isStrict: boolean): void {
    const { argument, operator, prefix } = node;
    const element = elementIn(argument);
    if (element === undefined) {
      this.#target(argument, isStrict);
      return;
    }
    this.#begin(node, element, { kind: 'update', operator, prefix }, isStrict);
    this.#edits.replace(element.property.end, node.end, ')');
  }

  /** Something that is assigned, wherever it stands: in a pattern, in the head of a loop. */
  #target(node: AnyNode, isStrict: boolean): void {
    const element = elementIn(node);
    if (element !== undefined) {
      this.#begin(node, element, { kind: 'target' }, isStrict);
      this.#edits.replace(element.property.end, node.end, ').to');
      return;
    }
    if (isSuperElement(bare(node))) this.#unseen(node, 'an assignment to super[...]');
    switch (node.type) {
      case 'ArrayPattern':
        for (const each of node.elements) if (each) this.#target(each, isStrict);
        return;
      case 'ObjectPattern':
        for (const each of node.properties) {
          if (each.type === 'Property') {
            if (each.computed) this.#visit(each.key, isStrict);
            this.#target(each.value, isStrict);
          } else this.#target(each, isStrict);
        }
        return;
      case 'AssignmentPattern':
        this.#target(node.left, isStrict);
        this.#visit(node.right, isStrict);
        return;
      case 'RestElement':
        this.#target(node.argument, isStrict);
        return;
      case 'ParenthesizedExpression':
        this.#target(node.expression, isStrict);
        return;
      default:
        this.#visit(node, isStrict);
    }
  }

  /** `helper(object,key` in the place of `object[key`. */
  #begin(node: AnyNode, element: Element, assignment: Assignment, isStrict: boolean): void {
    const { object, property } = element;
    this.#edits.replace(node.start, object.start, ` ${this.#name(assignment, isStrict)}(`);
    this.#visit(object, isStrict);
    const isList = property.type === 'SequenceExpression';
    this.#edits.replace(object.end, property.start, isList ? ',(' : ',');
    this.#visit(property, isStrict);
    if (isList) this.#edits.insert(property.end, ')');
  }

  #noteUnseen(node: AnyNode): void {
    if (node.type === 'CallExpression' || node.type === 'NewExpression') {
      const callee = bare(node.callee);
      const name = callee.type === 'Identifier' ? callee.name : undefined;
      if (name === 'eval' || name === 'Function') this.#unseen(node, `code made by ${name}`);
    } else if (node.type === 'ClassDeclaration' || node.type === 'ClassExpression') {
      for (const each of node.superClass ? node.body.body : []) {
        const isNamed = each.type !== 'PropertyDefinition' || (!each.computed && isName(each.key));
        if (!isNamed) this.#unseen(each, 'a field whose name may be a number');
      }
    }
  }

  #unseen({ start: at }: AnyNode, what: string): void {
    this.unseen.push({ what, at });
  }
}

function isName(key: AnyNode): boolean {
  return key.type === 'Identifier' || key.type === 'PrivateIdentifier';
}

/** Whether all in `node` is strict code. */
function makesStrict(node: AnyNode): boolean {
  if (node.type === 'ClassDeclaration' || node.type === 'ClassExpression') return true;
  if (!isFunction(node) || !('body' in node)) return false;
  const { body } = node;
  return body !== null && 'type' in body && body.type === 'BlockStatement' && saysStrict(body.body);
}
