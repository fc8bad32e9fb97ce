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

const nameOf = (node) => (!node.graph || node.graph === root() ? String(node.id) : `${node.graph.id}:${node.id}`)

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

/** All nodes that lead to a node, those inside subgraphs too. */
function before(node) {
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
