// On the classic canvas a text box that has a link is hidden, and its socket nameless, for the frontend draws no label beside a
// widget's socket. So ours is drawn here: on our nodes, and on a subgraph that holds one of them. Nodes 2.0 shows the box.

import { app } from '../../scripts/app.js'

const AWAY = 10 // pixels from the socket to its name
const isOurs = ({ constructor }) => constructor.comfyClass?.startsWith('VideoGrain')

app.registerExtension({
  name: 'videograin.linked_text',

  nodeCreated(node) {
    if (!isOurs(node) && !node.subgraph?.nodes.some(isOurs)) return
    const { onDrawForeground } = node
    node.onDrawForeground = (context, ...all) => {
      onDrawForeground?.call(node, context, ...all)
      if (!node.flags.collapsed && !app.canvas.low_quality) nameLinkedTexts(node, context)
    }
  },
})

function nameLinkedTexts(node, context) {
  const { LiteGraph } = globalThis
  context.save()
  context.textAlign = 'left'
  context.font = `${LiteGraph.NODE_SUBTEXT_SIZE}px ${LiteGraph.NODE_FONT}`
  context.fillStyle = LiteGraph.NODE_TEXT_COLOR
  for (const [index, { name, label, widget, pos }] of (node.inputs ?? []).entries()) {
    const box = widget && pos && node.isInputConnected(index) && node.widgets?.find((each) => each.name === widget.name)
    if (box?.element) context.fillText(label ?? name, pos[0] + AWAY, pos[1] + LiteGraph.NODE_SUBTEXT_SIZE / 3)
  }
  context.restore()
}
