// What the demo model cannot draw in this graph; videograin/comfyui/demo_graph.py says it of a run.

import { DEMO_CLIP, fileOf } from './clip_preview.js'
import { allNodes, before, originOf } from './graph.js'

const MODEL = 'VideoGrainLoadDemoModel'
const CLIP = 'VideoGrainDemoClip'

/** Whether the demo model is the only one that is loaded and connected. */
export function demoDraws() {
  const loaders = allNodes().filter(loadsModel)
  return loaders.length > 0 && loaders.every((node) => node.constructor.comfyClass === MODEL)
}

/** A node that gives a MODEL and takes none, and that others read. */
function loadsModel({ mode, subgraph, inputs, outputs }) {
  const [taken, given] = [inputs, outputs].map((slots) => (slots ?? []).some(({ type }) => type === 'MODEL'))
  return mode === 0 && !subgraph && given && !taken && outputs.some(({ links }) => links?.length)
}

/** Whether a node's clip may show more than the demo's world: a copy of the demo's under another name looks so. False without one. */
export function showsMore(node) {
  const origin = originOf(node, 'frames')
  const ours = (each) => each.constructor.comfyClass === CLIP || fileOf(each) === DEMO_CLIP
  return Boolean(origin) && ![origin, ...before(origin)].some(ours)
}
