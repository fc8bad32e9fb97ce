// What our nodes show on themselves after a run, in both of ComfyUI's renderers. Without it every node works the same.

import { app } from '../../scripts/app.js'
import { SETTINGS } from './clip_preview.js'
import { ClusterPicker } from './cluster_picker.js'
import { allNodes, isThere, keyOf, located, outputOf, outputWith, setOutput } from './graph.js'
import { InstanceList } from './instance_list.js'
import { MarkPicker } from './mark_picker.js'
import { Panel } from './panel.js'
import { Player } from './player.js'
import { RegionOverview } from './region_overview.js'
import { RowPanel, RowTable } from './rows.js'
import { colourSockets } from './socket_colours.js'
import { recalled } from './view_store.js'

const VIEWS = {
  VideoGrainClustersToMask: ClusterPicker,
  VideoGrainSplitInstances: InstanceList,
  VideoGrainPointsToRegion: MarkPicker,
  VideoGrainBeforeAfterVideo: Player,
  VideoGrainBindRegionPrompts: RegionOverview,
  VideoGrainRegions: RowTable,
}

const LOADER = 'VideoGrainLoadVideoFrames'
const panels = new WeakMap() // node → its panel
const views = () => allNodes().flatMap((node) => panels.get(node)?.view ?? [])

app.registerExtension({
  name: 'videograin.views',

  // A saved workflow holds the values of a node's widgets as a list without names, the upload button's among them.
  // The frontend would put that button last; it must stay where it was before the optional inputs came.
  beforeRegisterNodeDef(_nodeType, nodeData) {
    if (nodeData.name === LOADER) nodeData.input_order?.required?.push('upload')
  },

  setup() {
    colourSockets(app.canvas)
    app.api.addEventListener('graphChanged', () => views().forEach((view) => view.graphChanged?.()))
  },

  nodeCreated(node) {
    if (node.constructor.comfyClass === LOADER) tellOfCut(node)
    const View = VIEWS[node.constructor.comfyClass]
    if (View) panels.set(node, new (View === RowTable ? RowPanel : Panel)(node, new View(node)))
  },

  // Undo, redo and going from one workflow to another make all nodes anew; what they showed is still known.
  loadedGraphNode(node) {
    panels.get(node)?.show(outputOf(node))
  },

  // A template has the same id for all who open it, made of its name (version 5). Views are kept by the id: each opening
  // gets one of its own, from the frontend.
  beforeConfigureGraph(graph) {
    if (graph.id?.[14] === '5') delete graph.id
  },

  afterConfigureGraph() {
    showKept(allNodes().filter((node) => panels.has(node) && !outputOf(node))) // not waited for: the graph is ready without
  },

  onNodeOutputsUpdated(outputs) {
    for (const [name, output] of Object.entries(outputs)) panels.get(located(name))?.show(output)
  },
})

/** Nodes whose last run was before the page was loaded show it again, all at once: the player asks for the regions. */
async function showKept(nodes) {
  const found = await Promise.all(nodes.map((node) => recalled(keyOf(node))))
  const fitting = nodes.flatMap((node, index) => (fits(node, found[index]) ? [[node, outputWith(found[index].text)]] : []))
  for (const [node, output] of fitting) setOutput(node, output)
  for (const [node, output] of fitting) panels.get(node).show(output)
}

/** Whether a view is of this node's kind, and the node still there, without a run since. */
const fits = (node, view) => view?.kind === node.constructor.comfyClass && isThere(node) && !outputOf(node)

/** Views hear at once of another file or cut of it, so that what goes with it is the same step for undo. */
function tellOfCut(loader) {
  for (const widget of (loader.widgets ?? []).filter(({ name }) => SETTINGS.includes(name))) {
    const { callback } = widget
    widget.callback = (...all) => {
      callback?.apply(widget, all)
      views().forEach((view) => view.clipChosen?.())
    }
  }
}
