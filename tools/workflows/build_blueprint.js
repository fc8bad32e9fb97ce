// Turns the nodes of one group of the open graph into a subgraph that shows some of their widgets (blueprint.py).
({ name, shown }) => {
  const graph = window.app.graph
  const [first] = graph.groups // of the nodes that stay outside
  const inside = (node) => !first.isPointInside(node.pos[0] + 1, node.pos[1] + 1)
  const { subgraph, node } = graph.convertToSubgraph(new Set([...graph.nodes, ...graph.groups.slice(1)].filter((item) => item.pos && inside(item))))
  subgraph.name = node.title = name
  for (const input of [...subgraph.inputs]) if (node.widgets.some((widget) => widget.name === input.name)) subgraph.removeInput(input)
  for (const [label, title, widget] of shown) {
    const target = subgraph.nodes.find((each) => each.title === title)
    const slot = target.inputs.find((input) => input.widget?.name === widget)
    if (!subgraph.addInput(label, slot.type).connect(slot, target)) throw new Error(`${title} has no free "${widget}"`)
  }
}
