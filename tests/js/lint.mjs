// What a reader of our JavaScript would object to, with the parser that Node.js carries. Run by tests/unit/test_javascript.py:
// node --expose-internals tests/js/lint.mjs files… — prints a line for each fault.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const { parse } = require('internal/deps/acorn/acorn/dist/acorn')
const walk = require('internal/deps/acorn/acorn-walk/dist/walk')

const LONGEST = 140 // characters of a line, but for tables of words
const KNOWN = new Set([
  ...['Array', 'Blob', 'Boolean', 'CSSStyleSheet', 'Date', 'DecompressionStream', 'Error', 'Float64Array', 'ImageData', 'Infinity', 'JSON', 'Map', 'Math', 'Number'],
  ...['Object', 'Promise', 'Response', 'Set', 'String', 'URL', 'URLSearchParams', 'Uint16Array', 'Uint32Array', 'Uint8Array', 'WeakMap'],
  ...['atob', 'document', 'globalThis', 'performance', 'requestAnimationFrame', 'setTimeout', 'undefined'],
])
const SCOPES = /^(Program|BlockStatement|StaticBlock|CatchClause|SwitchStatement|For\w*|Function\w*|ArrowFunctionExpression)$/
const FUNCTION = /Function/
const PATTERN = /Pattern$|^Property$|^RestElement$/

/** The scope and the node that declares a name, or null where it is only written to. */
function declaring(ancestors) {
  let index = ancestors.length - 2
  while (PATTERN.test(ancestors[index].type)) index -= 1
  const owner = ancestors[index]
  const child = ancestors[index + 1]
  const outer = (from) => ancestors.slice(0, from).findLast(({ type }) => SCOPES.test(type))
  if (owner.type === 'VariableDeclarator' && owner.id === child) return { scope: outer(index), owner, above: ancestors[index - 2] }
  if (owner.type === 'FunctionDeclaration' && owner.id === child) return { scope: outer(index), owner, above: ancestors[index - 1] }
  if (/^Class/.test(owner.type) && owner.id === child) return { scope: outer(index), owner, above: ancestors[index - 1] }
  if (FUNCTION.test(owner.type) || owner.type === 'CatchClause') return { scope: owner, owner }
  return null
}

function names(tree) {
  const scopes = new Map() // scope → name → {line, read, exported}
  const declare = (scope, { name, loc }, exported) => {
    if (!scopes.has(scope)) scopes.set(scope, new Map())
    scopes.get(scope).set(name, { name, line: loc.start.line, read: false, exported })
  }
  const find = (name, ancestors) => ancestors.toReversed().map((node) => scopes.get(node)?.get(name)).find(Boolean)
  const faults = []
  const look = (node, ancestors) => {
    const found = find(node.name, ancestors)
    if (!found && !KNOWN.has(node.name)) faults.push([node.loc.start.line, `${node.name} is not defined`])
    return found
  }
  walk.ancestor(tree, {
    ImportDeclaration: (node) => node.specifiers.forEach(({ local }) => declare(tree, local, false)),
    VariablePattern(node, _, ancestors) {
      const place = declaring(ancestors)
      if (place) declare(place.scope, node, place.above?.type === 'ExportNamedDeclaration')
    },
  })
  walk.ancestor(tree, {
    Identifier(node, _, ancestors) {
      const found = look(node, ancestors)
      if (found) found.read = true
    },
    VariablePattern(node, _, ancestors) {
      if (!declaring(ancestors)) look(node, ancestors)
    },
  })
  for (const each of [...scopes.values()].flatMap((scope) => [...scope.values()])) {
    if (!each.read && !each.exported && !each.name.startsWith('_')) faults.push([each.line, `${each.name} is not used`])
  }
  return faults
}

function habits(tree) {
  const faults = []
  const object = (node, text) => faults.push([node.loc.start.line, text])
  walk.simple(tree, {
    VariableDeclaration: (node) => node.kind === 'var' && object(node, 'var'),
    DebuggerStatement: (node) => object(node, 'debugger'),
    BinaryExpression: (node) => ['==', '!='].includes(node.operator) && node.right.raw !== 'null' && object(node, node.operator),
    MemberExpression: (node) => node.object.name === 'console' && object(node, 'console'),
  })
  return faults
}

function looks(text, file) {
  return text.split('\n').flatMap((line, index) => [
    ...(line.length > LONGEST && !file.endsWith('words.js') ? [[index + 1, `${line.length} characters`]] : []),
    ...(/\s$|\t/.test(line) ? [[index + 1, 'a tab, or a space at the end']] : []),
    ...(/;$/.test(line) ? [[index + 1, 'a semicolon at the end']] : []),
  ])
}

for (const file of process.argv.slice(2)) {
  const text = readFileSync(file, 'utf8')
  const tree = parse(text, { ecmaVersion: 'latest', sourceType: 'module', locations: true })
  for (const [line, fault] of [...names(tree), ...habits(tree), ...looks(text, file)]) console.log(`${file}:${line}: ${fault}`)
}
