// What our nodes show on themselves after a run, in both of ComfyUI's renderers. Without it every node works the same.

import { app } from '../../scripts/app.js'
import { ClusterPicker } from './cluster_picker.js'
import { located, outputOf } from './graph.js'
import { InstanceList } from './instance_list.js'
import { MarkPicker } from './mark_picker.js'
import { Panel } from './panel.js'
import { Player } from './player.js'
import { RegionOverview } from './region_overview.js'
import { RowPanel, RowTable } from './rows.js'

const VIEWS = {
  VideoGrainClustersToMask: ClusterPicker,
  VideoGrainSplitInstances: InstanceList,
  VideoGrainPointsToRegion: MarkPicker,
  VideoGrainBeforeAfterVideo: Player,
  VideoGrainBindRegionPrompts: RegionOverview,
  VideoGrainRegions: RowTable,
}

const panels = new WeakMap() // node → its panel

app.registerExtension({
  name: 'videograin.views',

  // A saved workflow holds the values of a node's widgets as a list without names, the upload button's among them.
  // The frontend would put that button last; it must stay where it was before the optional inputs came.
  beforeRegisterNodeDef(_nodeType, nodeData) {
    if (nodeData.name === 'VideoGrainLoadVideoFrames') nodeData.input_order?.required?.push('upload')
  },

  nodeCreated(node) {
    const View = VIEWS[node.constructor.comfyClass]
    if (View) panels.set(node, new (View === RowTable ? RowPanel : Panel)(node, new View(node)))
  },

  // Undo, redo and going from one workflow to another make all nodes anew; what they showed is still known.
  loadedGraphNode(node) {
    panels.get(node)?.show(outputOf(node))
  },

  onNodeOutputsUpdated(outputs) {
    for (const [name, output] of Object.entries(outputs)) panels.get(located(name))?.show(output)
  },
})
