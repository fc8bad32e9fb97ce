// What the demo model cannot draw in this graph; videograin/comfyui/demo_graph.py says it of a run.

import { DEMO_CLIP, fileOf, urlOf } from './clip_preview.js'
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

/** Whether a node's clip shows nothing of the demo's world; false without one. told: called when another answer is known. */
export function showsMore(node, told) {
  const origin = originOf(node, 'frames')
  const ours = (each) => each.constructor.comfyClass === CLIP || isDemo(fileOf(each), told)
  return Boolean(origin) && ![origin, ...before(origin)].some(ours)
}

const copies = new Map() // file → whether it is a copy of the demo clip; taken for one until that is known

function isDemo(file, told) {
  if (file === DEMO_CLIP) return true
  if (/\.mp4( \[input\])?$/i.test(file) && !copies.has(file)) {
    copies.set(file, true)
    isCopy(file).then((found) => { copies.set(file, found); told() })
  }
  return copies.get(file) ?? false
}

/** Whether a file has as many bytes as the demo clip: only an advice hangs on it. */
async function isCopy(file) {
  const [one, other] = await Promise.all([file, DEMO_CLIP].map(bytesOf))
  return one !== null && one === other
}

async function bytesOf(file) {
  const answer = await fetch(urlOf(file), { method: 'HEAD' }).catch(() => null)
  return answer?.ok ? answer.headers.get('content-length') : null
}
