// What a graph tells: a node's name in the results of a run, and the regions that an edit was made with.

import { app } from '../../scripts/app.js'

const KEY = 'videograin' // in a node's ui output, as in videograin/comfyui/previews.py
const BIND = 'VideoGrainBindRegionPrompts'

const root = () => app.rootGraph ?? app.graph

/** The node that ComfyUI knows by "5", or in a subgraph by "<the subgraph's id>:5". */
export function located(name) {
  const [id, subgraph] = name.split(':').reverse()
  return (subgraph ? root().subgraphs?.get(subgraph) : root())?.getNodeById(id)
}

export const nameOf = (node) => (!node.graph || node.graph === root() ? String(node.id) : `${node.graph.id}:${node.id}`)

export const outputOf = (node) => app.nodeOutputs?.[nameOf(node)]

export const setOutput = (node, output) => { app.nodeOutputs[nameOf(node)] = output }

/** What tells a node from all others, over a reload too; undefined where the workflow has no id, as one that was cleared. */
export const keyOf = (node) => (/[1-9a-f]/.test(root().id) ? [root().id, nameOf(node)] : undefined)

/** Whether a node is in the workflow that is open now; undo makes another of its name. */
export const isThere = (node) => located(nameOf(node)) === node

/** All nodes of the workflow, those inside subgraphs too. */
export const allNodes = () => [root(), ...(root().subgraphs?.values() ?? [])].flatMap(({ nodes }) => nodes)

export const textOf = (output) => output?.[KEY]?.[0]

export const outputWith = (text) => ({ [KEY]: [text] })

/** What a node's last run gave a view to show. A removed node's output is not for the next node that has its number. */
export function shownBy(output, view) {
  const text = textOf(output)
  const data = text ? JSON.parse(text) : null
  return data?.view === view ? data : null
}

/** Regions that went into a node by way of Bind Region Prompts: what its overview shows of each, once it has run. */
export function regionsBefore(node) {
  return [...before(node)]
    .filter((each) => each.constructor.comfyClass === BIND)
    .flatMap((bind) => shownBy(outputOf(bind), 'regions')?.regions ?? [])
}

/** Nodes at the other end of a node's inputs. Its graph is asked: getInputNode of a subgraph's node looks among its outputs. */
function sourcesOf(node) {
  const links = [...(node.graph?.links.values() ?? [])].filter((link) => String(link.target_id) === String(node.id))
  return links.map((link) => node.graph.getNodeById(link.origin_id))
}

const INPUTS = -10 // what a subgraph's links from its own inputs call their origin
const OUTPUTS = -20 // and those to its outputs their target
const DEEPEST = 100 // reroutes and subgraphs one after another

/** The link that ends at a node's input; undefined where there is none. */
export const linkTo = (graph, id, slot) =>
  [...graph.links.values()].find((link) => String(link.target_id) === String(id) && link.target_slot === slot)

/** The node that an input has its value from, through reroutes and subgraphs; null where there is none. */
export function originOf(node, wanted) {
  let { graph } = node
  let link = graph && linkTo(graph, node.id, node.inputs.findIndex(({ name }) => name === wanted))
  for (let passed = 0; link && passed < DEEPEST; passed++) {
    const origin = Number(link.origin_id) === INPUTS
      ? allNodes().find(({ subgraph }) => subgraph === graph)
      : graph.getNodeById(link.origin_id)
    if (!origin) return null
    if (Number(link.origin_id) === INPUTS) {
      graph = origin.graph
      link = linkTo(graph, origin.id, link.origin_slot)
    } else if (origin.subgraph) {
      graph = origin.subgraph
      link = linkTo(graph, OUTPUTS, link.origin_slot)
    } else if (origin.type === 'Reroute') link = linkTo(graph, origin.id, 0)
    else return origin
  }
  return null
}

/** All nodes that lead to a node, those inside subgraphs too. */
export function before(node) {
  const found = new Set()
  const open = [node]
  while (open.length) {
    const next = open.pop()
    for (const source of [...sourcesOf(next), ...(next.subgraph?.nodes ?? [])]) {
      if (!source || found.has(source)) continue
      found.add(source)
      open.push(source)
    }
  }
  return found
}

const OPTIONAL = 7 // the shape of a socket that may stay empty

/** Whether a run as far as a node would start: all that must be connected is, and all that must be chosen. */
export function isReady(node) {
  const complete = ({ inputs, widgets }) =>
    (inputs ?? []).every(({ widget, link, shape }) => widget || shape === OPTIONAL || (link ?? null) !== null)
    && (widgets ?? []).every(({ type, value }) => type !== 'combo' || value !== '')
  return [node, ...before(node)].every(complete)
}
